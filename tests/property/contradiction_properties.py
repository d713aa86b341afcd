"""No study that has a configuration to offer is refused for its constraints."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_core.configuration import Value
from autoglm_core.constraint import Constraint
from autoglm_core.contradictions import Placed, check_together
from autoglm_core.space import SearchSpace
from autoglm_core.spread import spread
from support.drawn_spaces import drawn, spaces

QUICK = settings(max_examples=300, derandomize=True, deadline=None)
COMPARED: Mapping[str, Callable[[Value, Value], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
"""Each holds where the other of its pair does not."""
OPPOSITE = {"<=": ">", ">": "<=", "<": ">=", ">=": "<", "==": "!=", "!=": "=="}


def _expression(generator: random.Random, names: list[str]) -> str:
    """Arithmetic over numbers, or a name of a text."""
    text = generator.choice(names)
    while generator.random() < 0.4:
        other = generator.choice([*names, str(generator.randint(-3, 3)), repr(generator.uniform(-2, 9))])
        text = f"({text} {generator.choice('+-*/')} {other})"
    return text


def _true_of(values: Mapping[str, Value], generator: random.Random) -> str:
    """A constraint that `values` meet."""
    numbers = [name for name, value in values.items() if not isinstance(value, str)]
    texts = [name for name, value in values.items() if isinstance(value, str)]
    if texts and (not numbers or generator.random() < 0.3):
        name = generator.choice(texts)
        listed = sorted({str(values[name]), generator.choice("abc")})
        return generator.choice([f"{name} == {values[name]!r}", f"{name} in {listed}", f"{name} != 'z'"])
    left, sign = _expression(generator, numbers), generator.choice(sorted(COMPARED))
    right = generator.choice([repr(generator.uniform(0, 9)), _expression(generator, numbers)])
    if Constraint(f"{left} {sign} {right}").holds(values):
        return f"{left} {sign} {right}"
    return f"{left} {OPPOSITE[sign]} {right}"


@QUICK
@given(spaces(), st.integers(0, 2**32))
def test_what_a_configuration_meets_is_not_called_contradictory(space: SearchSpace, seed: int) -> None:
    generator = random.Random(seed)  # noqa: S311  no secret
    configuration = drawn(space, seed)
    values = {**configuration.tune, **configuration.deploy, "latency_p95_ms": generator.uniform(0, 9), "loss": 0.5}
    drawn_ones = [Constraint(_true_of(values, generator)) for _ in range(generator.randint(1, 8))]
    constraints = [
        constraint for constraint in drawn_ones if constraint.holds(values)
    ]  # a division by zero holds never
    joined = Constraint(" and ".join(constraint.text for constraint in constraints[:3]) or "loss < 1")
    check_together(space, [Placed(constraint, ()) for constraint in (*constraints, joined)])


@QUICK
@given(spaces())
def test_a_spread_lies_inside_and_is_the_same_again(space: SearchSpace) -> None:
    first = [configuration for _, configuration in zip(range(20), spread(space), strict=False)]
    again = [configuration for _, configuration in zip(range(20), spread(space), strict=False)]
    assert first == again
    for configuration in first:
        space.check(configuration)
