"""IA3 (Liu et al. 2022): peft's layers, which multiply a linear layer's inputs or outputs by learned factors.

Needs torch at import: import it inside functions only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from autoglm_workloads.models.description import Linear


def ia3_layer(base: nn.Module, linear: Linear, *, before: bool) -> Any:
    """The layer of peft around `base`; its factors are 1. `before`: they multiply the inputs."""
    from peft import IA3Config
    from peft.tuners.ia3.layer import Linear as Ia3Linear

    config = IA3Config(fan_in_fan_out=linear.transposed)
    return Ia3Linear(base, "default", config, is_feedforward=before, is_target_conv_1d_layer=linear.transposed)
