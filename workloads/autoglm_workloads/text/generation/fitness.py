"""Whether the decoding parameters that a study searches can be had together, asked before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autoglm_core.configuration import Value, Values
from autoglm_core.space import Parameter
from autoglm_workloads.fitness import extremes
from autoglm_workloads.text.generation.decoding import DECODING_NAMES, decoding_of


def check_decoding(parameters: Sequence[Parameter], *, window: int) -> None:
    """Check the decoding parameters among those of `deploy`, for a model that reads `window` tokens.

    Parameters that are active together must be of one strategy; conditions on other parameters than `strategy` count
    as met.

    Raises:
        StudyError: names the first parameter that does not fit.
    """
    own = [parameter for parameter in parameters if parameter.name in DECODING_NAMES]
    choices = next((extremes(parameter) for parameter in own if parameter.name == "strategy"), (None,))
    for strategy in choices:
        active = [parameter for parameter in own if _may_be_active(parameter, strategy)]
        for values in _corners(active, strategy):
            decoding_of(values).check_window(window)


def _may_be_active(parameter: Parameter, strategy: Value | None) -> bool:
    conditions = [condition for condition in parameter.when if condition.parameter == "strategy"]
    return all(strategy in condition.values for condition in conditions)


def _corners(active: Sequence[Parameter], strategy: Value | None) -> Iterator[Values]:
    """Each extreme of each parameter, beside the first ones of the others."""
    ends = {parameter.name: extremes(parameter) for parameter in active if parameter.name != "strategy"}
    first: dict[str, Value] = {name: values[0] for name, values in ends.items() if values}
    if strategy is not None:
        first["strategy"] = strategy
    yield first
    for name, values in ends.items():
        for value in values:
            yield {**first, name: value}
