"""Why a figure was not given."""

from __future__ import annotations

from autoglm_core.errors import AutoglmError, InvalidInput, Kind


class TooFewSamples(InvalidInput):
    """A percentile was asked of fewer samples than it takes."""

    code = "too-few-samples"

    def __init__(self, *, percentile: float, count: int, needed: int) -> None:
        super().__init__(
            f"a {percentile:g}th percentile needs {needed} samples, there are {count}; measure for longer",
            percentile=percentile,
            count=count,
            needed=needed,
        )


class BadMeasureTask(InvalidInput):
    """What to measure is not of the agreed form."""

    code = "bad-measure-task"

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"cannot measure this: {reason}", reason=reason)


class BadOutputs(AutoglmError):
    """A model's outputs are not finite, or not of the expected shape, on this machine."""

    code = "bad-outputs"
    kind = Kind.ABORTED

    def __init__(self, *, key: str, reason: str) -> None:
        super().__init__(f"model {key} gave outputs that cannot be compared: {reason}", key=key, reason=reason)
