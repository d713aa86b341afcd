"""LoRA, rsLoRA and DoRA: peft's layers, with our A where A is frozen.

FFA-LoRA (Sun et al. 2024). A site's update of a weight is `scaling * B_k A_k`. The mean of the products over sites is
not the product of the means, so averaging A and B each for itself adds cross terms that no site ever trained. With one
A for all, `mean(B_k) A` is the mean of the updates, exactly; and only B travels. A is drawn from the study's seed and
the layer's name, so that coordinator and sites have it without sending it. DoRA's magnitudes divide by a norm that
depends on B: there even FFA's mean is the mean of the updates only as far as that norm stays.

Needs torch at import: import it inside functions only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from autoglm_core.workload import Vector
from autoglm_workloads.seeding import generator

if TYPE_CHECKING:
    from autoglm_workloads.models.description import Linear
    from autoglm_workloads.text.tuning_options import Method

ADAPTER = "default"
"""peft's name for the one adapter that a layer has here."""


def frozen_matrix(study_seed: bytes, linear: Linear, rank: int) -> Vector:
    """FFA's A `(rank, inputs)`: uniform within 1/sqrt(inputs), as peft draws it."""
    stream = generator(study_seed, f"lora_a/{linear.name}")
    bound = linear.inputs**-0.5
    return stream.uniform(-bound, bound, (rank, linear.inputs)).astype(np.float32)


def lora_layer(base: nn.Module, linear: Linear, method: Method, study_seed: bytes) -> Any:
    """The layer of peft around `base`; B is zero, and A the frozen one or still to be loaded."""
    from peft import LoraConfig
    from peft.tuners.lora.layer import Linear as LoraLinear

    config = LoraConfig(
        lora_dropout=method.lora_dropout,
        fan_in_fan_out=linear.transposed,
        use_rslora=method.lora_variant == "rslora",
        use_dora=method.lora_variant == "dora",
    )
    layer = LoraLinear(
        base,
        ADAPTER,
        config,
        r=method.lora_rank,
        lora_alpha=method.lora_alpha,
        is_target_conv_1d_layer=linear.transposed,
    )
    if method.lora_averaging == "ffa":
        with torch.no_grad():
            layer.lora_A[ADAPTER].weight.copy_(torch.tensor(frozen_matrix(study_seed, linear, method.lora_rank)))
    return layer


def lora_parameters(layer: Any, name: str, method: Method) -> dict[str, nn.Parameter]:
    """Its trained tensors by their names in the vector."""
    found = {f"{name}.lora_a": layer.lora_A[ADAPTER].weight} if method.lora_averaging == "plain" else {}
    found[f"{name}.lora_b"] = layer.lora_B[ADAPTER].weight
    if method.lora_variant == "dora":
        found[f"{name}.lora_magnitude"] = layer.lora_magnitude_vector[ADAPTER].weight
    return found
