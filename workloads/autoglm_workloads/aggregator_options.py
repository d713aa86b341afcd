"""What a `tune` configuration says about the coordinator's aggregator, with defaults for what it leaves out.

Sites never read it. The names and bounds stand here and not at the coordinator, because a study is checked where there
is none, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from autoglm_core.configuration import Values
from autoglm_workloads.option_rules import FRACTION, POSITIVE, one_of, updated

AGGREGATORS = ("fedavg", "fedprox", "fedavgm", "fedadam", "fedyogi", "fedadagrad")


@dataclass(frozen=True)
class AggregatorOptions:
    """An aggregator by name with its hyper-parameters; what it has no use for is not read.

    The defaults are Flower's, but for its momentum of 0, which is FedAvg.
    """

    aggregator: str = "fedavg"
    server_learning_rate: float = 1.0
    """Of fedavgm; the adaptive ones start lower."""
    server_momentum: float = 0.9
    """Of fedavgm."""
    beta1: float = 0.9
    """Decay of the first moment of fedadam and fedyogi."""
    beta2: float = 0.99
    """Decay of their second moment."""
    tau: float = 1e-3
    """Of the adaptive ones: what is added to the root of the second moment."""

    def updated(self, tune: Values) -> AggregatorOptions:
        """With the values of `tune` that concern the aggregator.

        Raises:
            StudyError: a value is of the wrong type or out of its range.
        """
        return updated(self, tune, _RULES)


_RULES = {
    "aggregator": one_of(*AGGREGATORS),
    "server_learning_rate": POSITIVE,
    "server_momentum": FRACTION,
    "beta1": FRACTION,
    "beta2": FRACTION,
    "tau": POSITIVE,
}
AGGREGATOR_NAMES = tuple(_RULES)
