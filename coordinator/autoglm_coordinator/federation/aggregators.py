"""Aggregators: from the current model and the mean delta of one round to the next model.

They see the SUM of a secure sum, never one site's update, so every rule that compares sites (Krum, median, trimmed
mean) is out of reach by design. All of them treat the mean delta as a negative gradient and differ in the server's
optimiser: plain averaging (McMahan et al. 2017), momentum (Hsu et al. 2019), and Adagrad, Adam and Yogi (Reddi et al.
2021, algorithm 2). Pick `fedavg` first; the adaptive three pay when sites are skewed and rounds are many.

The arithmetic is Flower 1.41's, checked against vectors made with its classes: Adam's step is corrected for bias with
the exponent `round + 1`, Yogi's and Adagrad's are not. One difference: the model returns to float32 after every round,
because that is what is broadcast and hashed; Flower's Adam drifts to float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

import numpy as np

from autoglm_coordinator.federation.aggregator_state import AggregatorState
from autoglm_core.configuration import Values
from autoglm_core.errors import AutoglmError, Kind
from autoglm_core.workload import Vector, WrongLength
from autoglm_workloads.aggregator_options import AggregatorOptions


class AggregateNotFinite(AutoglmError):
    """The next model would hold NaN or infinities: the training diverged."""

    code = "aggregate-not-finite"
    kind = Kind.ABORTED

    def __init__(self, *, aggregator: str) -> None:
        super().__init__(
            f"{aggregator} left the range of float32; lower the maximum of server_learning_rate or learning_rate",
            aggregator=aggregator,
        )


class Aggregator(Protocol):
    """One server-side rule with its hyper-parameters bound; the state travels beside it."""

    def step(self, parameters: Vector, delta: Vector, state: AggregatorState) -> tuple[Vector, AggregatorState]:
        """The next model.

        Args:
            parameters: `(n,)` float32, the model that was broadcast.
            delta: `(n,)` float32, weighted mean of the sites' (local - broadcast).
            state: what the previous round returned; `AggregatorState()` before the first.

        Raises:
            WrongLength: `delta` or the state does not fit `parameters`.
            AggregateNotFinite: the result is not a model.
        """
        ...


Update = Callable[[Vector, Vector, AggregatorState], tuple[Vector, AggregatorState]]


@dataclass(frozen=True)
class ServerOptimizer:
    """An aggregator: the checks that all share around one pure `update`."""

    name: str
    update: Update

    def step(self, parameters: Vector, delta: Vector, state: AggregatorState) -> tuple[Vector, AggregatorState]:
        """See `Aggregator.step`."""
        for array in (delta, *state.arrays.values()):
            if array.shape != parameters.shape:
                raise WrongLength(expected=parameters.size, received=array.size)
        with np.errstate(over="ignore", invalid="ignore"):
            moved, after = self.update(parameters, delta, state)
            # One pass instead of isfinite().all(): a sum of finite float32 cannot overflow float64.
            finite = math.isfinite(float(np.add.reduce(moved, dtype=np.float64)))
        if not finite:
            raise AggregateNotFinite(aggregator=self.name)
        return moved, after


def _fedavg(tune: Values) -> Update:
    def update(parameters: Vector, delta: Vector, state: AggregatorState) -> tuple[Vector, AggregatorState]:
        return parameters + delta, AggregatorState()

    return update


def _fedavgm(tune: Values) -> Update:
    options = AggregatorOptions().updated(tune)
    rate, decay = np.float32(options.server_learning_rate), np.float32(options.server_momentum)

    def update(parameters: Vector, delta: Vector, state: AggregatorState) -> tuple[Vector, AggregatorState]:
        momentum = delta if state.step == 0 else decay * state.arrays["momentum"] + delta
        return parameters + rate * momentum, AggregatorState(state.step + 1, {"momentum": momentum})

    return update


SecondMoment = Callable[[Vector, Vector], Vector]
"""(previous second moment, squared delta) -> second moment; all `(n,)` float32."""


def _adaptive(options: AggregatorOptions, second: SecondMoment, rate: Callable[[int], np.floating]) -> Update:
    first_decay = np.float32(options.beta1)
    first_gain, tau = np.float32(1 - options.beta1), np.float32(options.tau)

    def update(parameters: Vector, delta: Vector, state: AggregatorState) -> tuple[Vector, AggregatorState]:
        zeros = np.zeros_like(delta)
        first = first_decay * state.arrays.get("first", zeros) + first_gain * delta
        moment = second(state.arrays.get("second", zeros), delta * delta)
        number = state.step + 1
        moved = parameters + rate(number) * first / (np.sqrt(moment) + tau)
        return moved.astype(np.float32, copy=False), AggregatorState(number, {"first": first, "second": moment})

    return update


def _fedadam(tune: Values) -> Update:
    options = AggregatorOptions(server_learning_rate=0.1).updated(tune)
    decay, gain = np.float32(options.beta2), np.float32(1 - options.beta2)

    def rate(number: int) -> np.floating:
        # A float64 scalar on purpose: it lifts the step to float64, as in Flower.
        correction = math.sqrt(1 - options.beta2 ** (number + 1)) / (1 - options.beta1 ** (number + 1))
        return np.float64(options.server_learning_rate * correction)

    return _adaptive(options, lambda previous, squared: decay * previous + gain * squared, rate)


def _fedyogi(tune: Values) -> Update:
    options = AggregatorOptions(server_learning_rate=0.01).updated(tune)
    gain = np.float32(1 - options.beta2)
    return _adaptive(
        options,
        lambda previous, squared: previous - gain * squared * np.sign(previous - squared),
        lambda number: np.float32(options.server_learning_rate),
    )


def _fedadagrad(tune: Values) -> Update:
    # Flower's and the paper's Adagrad have no first moment.
    options = replace(AggregatorOptions(server_learning_rate=0.1).updated(tune), beta1=0.0)
    return _adaptive(
        options, lambda previous, squared: previous + squared, lambda number: np.float32(options.server_learning_rate)
    )


AGGREGATORS: Mapping[str, Callable[[Values], Update]] = MappingProxyType(
    {
        "fedavg": _fedavg,
        "fedprox": _fedavg,  # the proximal term is the sites' affair; what the server does is the same
        "fedavgm": _fedavgm,
        "fedadam": _fedadam,
        "fedyogi": _fedyogi,
        "fedadagrad": _fedadagrad,
    }
)


def load_aggregator(tune: Values) -> Aggregator:
    """The aggregator that `tune` names (`fedavg` where it names none) with its hyper-parameters.

    Reads `aggregator`, `server_learning_rate`, `server_momentum` (fedavgm), `beta1`, `beta2`, `tau` (the adaptive
    ones). FedAvg has none: a server learning rate without momentum is `fedavgm` with `server_momentum: 0`.

    Raises:
        StudyError: no such name, or a hyper-parameter is out of range.
    """
    name = AggregatorOptions().updated(tune).aggregator
    return ServerOptimizer(name=name, update=AGGREGATORS[name](tune))
