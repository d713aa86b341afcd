"""What a text network refuses."""

from __future__ import annotations

from autoglm_core.errors import AutoglmError, InvalidInput, Kind


class TextTooLong(InvalidInput):
    """More tokens than the model has positions for. Data are counts, because the error may leave a site."""

    code = "text-too-long"

    def __init__(self, *, tokens: int, longest: int) -> None:
        super().__init__(
            f"{tokens} tokens are more than the {longest} that the model takes: lower max_length in model.options",
            tokens=tokens,
            longest=longest,
        )


class OtherModules(AutoglmError):
    """The installed transformers builds the model otherwise than the one that described it. `tensor` differs first."""

    code = "other-modules"
    kind = Kind.CONFLICT

    def __init__(self, *, tensor: str) -> None:
        super().__init__(
            f"the model's tensor {tensor} is missing or of another shape: install the transformers release that "
            "constraints.txt names, remove the model from the shelf and fetch it again",
            tensor=tensor,
        )
