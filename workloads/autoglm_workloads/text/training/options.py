"""What a `tune` configuration says about local training of a language model, with defaults for what it leaves out.

No torch: the daemons ask for these too.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoglm_core.configuration import Values
from autoglm_workloads.option_rules import FRACTION, NOT_NEGATIVE, SWITCH, WHOLE, number, one_of, updated


@dataclass(frozen=True)
class TextOptions:
    """Of one site's training in one round. The defaults suit adapters on a pretrained encoder."""

    learning_rate: float = 5e-4
    """At the top of the schedule, before `layer_decay` and `head_rate`."""
    batch_size: int = 32
    """Rows that pass through the network at once."""
    accumulation: int = 1
    """Batches whose gradients make one step."""
    local_epochs: int = 1
    optimizer: str = "adamw"
    """Its state starts afresh in every round, because a site keeps nothing between tasks."""
    momentum: float = 0.9
    """Of sgd; the others have the decay rates of their papers."""
    weight_decay: float = 0.0
    """Decoupled from the gradient (Loshchilov and Hutter 2019), of matrices only: not of biases, scales and factors."""
    schedule: str = "linear"
    """How the learning rate falls over the whole TUNE; `plateau` knows one round only."""
    warmup: float = 0.0
    """Share of the TUNE over which the learning rate rises from 0."""
    layer_decay: float = 1.0
    """Factor of the learning rate per layer that a tensor lies below the top one (Howard and Ruder 2018).

    A head of its own is a layer above the last block.
    """
    head_rate: float = 1.0
    """Factor of the learning rate of the head, which starts from nothing while the rest was pretrained."""
    checkpointing: bool = False
    """Activations are computed again in the backward pass: less memory, about a third more time."""
    clip_norm: float = 1.0
    """Largest norm of a step's gradient; 0 leaves it free."""
    precision: str = "float32"
    """Of the forward pass (autocast); weights and gradients stay float32."""
    proximal_mu: float = 0.0
    """FedProx (Li et al. 2020): pull towards the broadcast weights."""
    dropout: float = 0.0
    criterion: str = "cross-entropy"
    focal_gamma: float = 2.0
    """Of the focal loss (Lin et al. 2017): how much less a row counts that is already right."""
    label_smoothing: float = 0.0
    class_weights: str = "none"
    """`balanced`: by the inverse frequency of each class in the cohort."""
    controller: str = "off"
    """`noise-scale`: change learning rate and batch size by rule from what the gradients say."""
    curvature: str = "off"
    """What the controller may also look at: the trace of the Hessian, or its value along the gradient."""

    def updated(self, tune: Values) -> TextOptions:
        """With the values of `tune` that concern training.

        Raises:
            StudyError: a value is of the wrong type or out of its range.
        """
        return updated(self, tune, _RULES)


_SHARE = number(lambda value: 0 < value <= 1, "a number above 0, at most 1")
_RULES = {
    "learning_rate": NOT_NEGATIVE,
    "batch_size": WHOLE,
    "accumulation": WHOLE,
    "local_epochs": WHOLE,
    "optimizer": one_of("adamw", "sgd", "lion", "adafactor"),
    "momentum": FRACTION,
    "weight_decay": NOT_NEGATIVE,
    "schedule": one_of("constant", "linear", "cosine", "step", "plateau"),
    "warmup": FRACTION,
    "layer_decay": _SHARE,
    "head_rate": NOT_NEGATIVE,
    "checkpointing": SWITCH,
    "clip_norm": NOT_NEGATIVE,
    "precision": one_of("float32", "bfloat16", "float16"),
    "proximal_mu": NOT_NEGATIVE,
    "dropout": FRACTION,
    "criterion": one_of("cross-entropy", "focal"),
    "focal_gamma": NOT_NEGATIVE,
    "label_smoothing": FRACTION,
    "class_weights": one_of("none", "balanced"),
    "controller": one_of("off", "noise-scale"),
    "curvature": one_of("off", "hutchinson", "differences"),
}
OPTION_NAMES = tuple(_RULES)
