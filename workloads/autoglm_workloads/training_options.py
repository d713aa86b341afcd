"""What a `tune` configuration says about local training, with defaults for what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass

from autoglm_core.configuration import Values
from autoglm_workloads.option_rules import FRACTION, NOT_NEGATIVE, WHOLE, one_of, updated


@dataclass(frozen=True)
class TrainingOptions:
    """Of one site's training in one round. The defaults suit small networks and tables."""

    learning_rate: float = 0.05
    batch_size: int = 32
    """Rows of a step; the last step of an epoch may have fewer."""
    local_epochs: int = 1
    optimizer: str = "sgd"
    """`sgd` or `adam`; its state starts afresh in every round, because a site keeps nothing between tasks."""
    momentum: float = 0.9
    """Of sgd; adam's decay rates are 0.9 and 0.99."""
    weight_decay: float = 0.0
    """Decoupled from the gradient (Loshchilov and Hutter 2019), for both optimizers."""
    proximal_mu: float = 0.0
    """FedProx (Li et al. 2020): pull towards the broadcast weights."""
    label_smoothing: float = 0.0
    clip_norm: float = 1.0
    """Largest norm of a step's gradient; 0 leaves it free. Label-skewed sites start each round with steep losses."""

    def updated(self, tune: Values) -> TrainingOptions:
        """With the values of `tune` that concern training.

        Raises:
            StudyError: a value is of the wrong type or out of its range.
        """
        return updated(self, tune, _RULES)


_RULES = {
    "learning_rate": NOT_NEGATIVE,
    "batch_size": WHOLE,
    "local_epochs": WHOLE,
    "optimizer": one_of("sgd", "adam"),
    "momentum": FRACTION,
    "weight_decay": NOT_NEGATIVE,
    "proximal_mu": NOT_NEGATIVE,
    "label_smoothing": FRACTION,
    "clip_norm": NOT_NEGATIVE,
}
OPTION_NAMES = tuple(_RULES)
