"""How text is drawn from a language model: the decoding parameters of a study, and their way inside an ONNX file.

They are parameters of `deploy`: every variant of a tuned model may decode in its own way, and no training is repeated.
They travel in the exported model, so that whoever has the artifact draws the same text from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

from autoglm_core.canonical import Json
from autoglm_core.configuration import Value, Values
from autoglm_core.encoding import Malformed
from autoglm_core.study_error import StudyError
from autoglm_workloads.option_rules import NOT_NEGATIVE, POSITIVE, WHOLE, Rule, number, one_of, updated

GREEDY, SAMPLING, BEAMS = "greedy", "sampling", "beams"
OWN_NAMES = {SAMPLING: ("temperature", "top_k", "top_p"), BEAMS: ("beams", "length_penalty")}
"""Parameters that mean nothing under another strategy."""


@dataclass(frozen=True)
class Decoding:
    """The defaults take the likeliest token at each step."""

    strategy: str = GREEDY
    """`greedy`, `sampling` or `beams`; where a study does not say, it follows from the other parameters it names."""
    max_new_tokens: int = 32
    temperature: float = 1.0
    """Divides the logits: below 1 likely tokens get likelier."""
    top_k: int = 0
    """Sample among the k likeliest tokens; 0: among all."""
    top_p: float = 1.0
    """Sample among the likeliest tokens that together have this probability (Holtzman et al. 2020); 1: among all."""
    repetition_penalty: float = 1.0
    """Divides the positive and multiplies the negative logits of tokens that occurred (Keskar et al. 2019)."""
    beams: int = 1
    length_penalty: float = 1.0
    """A finished beam's log likelihood is divided by its tokens to this power: the larger, the longer the texts."""

    def check_window(self, window: int) -> None:
        """Raise `StudyError` unless a model that reads `window` tokens has room for a prompt beside the new ones."""
        if self.max_new_tokens >= window:
            reason = f"must be below the {window} tokens that the model reads, prompt and answer together"
            raise StudyError(("search", "deploy", "max_new_tokens"), reason)

    def to_json(self) -> Json:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> Decoding:
        """Inverse of `to_json`, for a hostile `value`; raises `Malformed`."""
        if not isinstance(value, dict) or value.keys() != set(DECODING_NAMES):
            raise Malformed(what="decoding parameters")
        try:
            return updated(cls(), value, RULES, part="deploy")
        except StudyError:
            raise Malformed(what="decoding parameters") from None


DECODING_NAMES = tuple(field.name for field in fields(Decoding))
RULES = {
    "strategy": one_of(GREEDY, SAMPLING, BEAMS),
    "max_new_tokens": WHOLE,
    "temperature": POSITIVE,
    "top_k": Rule(
        lambda value: value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None,
        "a whole number of at least 0",
    ),
    "top_p": number(lambda value: 0 < value <= 1, "a number above 0 and at most 1"),
    "repetition_penalty": number(lambda value: value >= 1, "a number of at least 1"),
    "beams": WHOLE,
    "length_penalty": NOT_NEGATIVE,
}


def decoding_of(values: Values) -> Decoding:
    """The decoding that a `deploy` configuration describes; names of other parameters are passed over.

    Raises:
        StudyError: a value is out of its range, or belongs to another strategy than the configuration's.
    """
    named: dict[str, Value] = {name: values[name] for name in DECODING_NAMES if name in values}
    named.setdefault("strategy", _implied(named))
    decoding = updated(Decoding(), named, RULES, part="deploy")
    for strategy, names in OWN_NAMES.items():
        for name in names:
            if name in named and strategy != decoding.strategy:
                reason = f"has no meaning under {decoding.strategy}: give it the condition when strategy is {strategy}"
                raise StudyError(("search", "deploy", name), reason)
    return decoding


def _implied(names: Iterable[str]) -> str:
    """The first strategy that has one of `names` to itself."""
    given = set(names)
    return next((strategy for strategy, own in OWN_NAMES.items() if given & set(own)), GREEDY)
