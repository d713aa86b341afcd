"""Search spaces with conditions and ties, and configurations in them, drawn at random."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from autoglm_core.configuration import Configuration, Value
from autoglm_core.parameter import CategoricalParameter, FloatParameter, FreeParameter
from autoglm_core.parse_parameter import parse_parameters
from autoglm_core.space import SearchSpace
from autoglm_core.study_error import ImpossibleSpace

CHOICES = ("a", "b", "c")


@st.composite
def spellings(draw: st.DrawFn, prefix: str, earlier: tuple[str, ...] = ()) -> dict[str, Any]:
    """Parameters by name; any may depend on a choice before it or be tied to one."""
    result: dict[str, Any] = {}
    for number in range(draw(st.integers(1, 5))):
        kinds = ["float", "int", "choice", *(["tie"] if earlier else [])]
        kind = draw(st.sampled_from(kinds))
        name = f"{prefix}{number}_{kind}"
        entry: dict[str, Any]
        match kind:
            case "float":
                low = draw(st.floats(1e-6, 1.0))
                entry = {"type": "float", "min": low, "max": low * 7, "scale": draw(st.sampled_from(["linear", "log"]))}
            case "int":
                low = draw(st.integers(1, 9))
                entry = {"type": "int", "min": low, "max": low + draw(st.integers(0, 9)), "scale": "log"}
            case "choice":
                entry = {"type": "categorical", "choices": list(CHOICES)}
            case _:
                entry = {"same_as": draw(st.sampled_from(earlier))}
        parents = [name for name in earlier if name.endswith("choice")]
        if draw(st.booleans()) and parents:
            wanted = draw(st.lists(st.sampled_from(CHOICES), min_size=1, unique=True))
            entry["when"] = {draw(st.sampled_from(parents)): wanted}
        result[name] = entry
        earlier = (*earlier, name)
    return result


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """A space that is not impossible."""
    tune = draw(spellings("t"))
    deploy = draw(spellings("d", tuple(tune)))
    try:
        return SearchSpace(parse_parameters(tune, ("tune",)), parse_parameters(deploy, ("deploy",)))
    except ImpossibleSpace:
        # Conditions that exclude each other: rare, and refused by design.
        return SearchSpace(parse_parameters({"x": [1]}, ("tune",)))


def drawn(space: SearchSpace, seed: int) -> Configuration:
    """A configuration at random."""
    generator = random.Random(seed)  # noqa: S311  no secret

    def choose(parameter: FreeParameter) -> Value:
        match parameter:
            case CategoricalParameter():
                return generator.choice(parameter.choices)
            case FloatParameter():
                return generator.uniform(parameter.minimum, parameter.maximum)
        return generator.randint(parameter.minimum, parameter.maximum)

    return space.build(choose)
