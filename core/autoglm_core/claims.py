"""What a constraint says of single names, and whether it can hold at all where names lie in given ranges.

Both are necessary conditions: a claim leaves out nothing that its constraint allows, and `impossible` answers True only
where no value in the ranges meets the constraint. Interval arithmetic with floating point is exact enough for that,
because rounding is monotone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, isnan

from autoglm_core.configuration import Value
from autoglm_core.parameter import LARGEST

Range = tuple[float, float]
"""Both ends included."""
ANYTHING: Range = (-inf, inf)
_FLIPPED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Eq: ast.Eq}


@dataclass(frozen=True)
class Claim:
    """`name` is one of `values`, or where these are None, lies between `low` and `high`, which may be left out."""

    name: str
    low: float = -inf
    high: float = inf
    low_open: bool = False
    high_open: bool = False
    values: tuple[Value, ...] | None = None

    def excludes(self, other: Claim) -> bool:
        """Whether no value meets both claims, which are about one name."""
        if self.values is not None:
            return not any(other.allows(value) for value in self.values)
        if other.values is not None:
            return other.excludes(self)
        low, high = max(self.low, other.low), min(self.high, other.high)
        return low > high or (low == high and not (self.allows(low) and other.allows(low)))

    def allows(self, value: Value) -> bool:
        """Whether `value` meets the claim; a text is no number, and not ours to compare with one."""
        if self.values is not None:
            return value in self.values
        if isinstance(value, str):
            return True
        above = value > self.low if self.low_open else value >= self.low
        return above and (value < self.high if self.high_open else value <= self.high)

    @property
    def range(self) -> Range:
        """The numbers that meet the claim, and perhaps an end more."""
        if self.values is None:
            return self.low, self.high
        numbers = [float(value) for value in self.values if not isinstance(value, str)]
        return (min(numbers), max(numbers)) if len(numbers) == len(self.values) and numbers else ANYTHING


def claims(node: ast.expr) -> Iterator[Claim]:
    """What has to be true of single names for `node` to hold."""
    match node:
        case ast.BoolOp(op=ast.And(), values=parts):
            for part in parts:
                yield from claims(part)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for before, op, after in zip([left, *comparators], ops, comparators, strict=False):
                yield from _claim(before, op, after)


def _claim(left: ast.expr, op: ast.cmpop, right: ast.expr) -> Iterator[Claim]:
    if isinstance(op, ast.In) and isinstance(left, ast.Name) and isinstance(right, ast.List | ast.Tuple):
        values = [_constant(item) for item in right.elts]
        if None not in values:
            yield Claim(left.id, values=tuple(value for value in values if value is not None))
    if type(op) not in _FLIPPED:
        return
    if isinstance(right, ast.Name) and not isinstance(left, ast.Name):
        left, op, right = right, _FLIPPED[type(op)](), left
    value = _constant(right)
    if not isinstance(left, ast.Name) or value is None:
        return
    match op:
        case ast.Eq():
            yield Claim(left.id, values=(value,))
        case ast.Lt() | ast.LtE() if not isinstance(value, str):
            yield Claim(left.id, high=float(value), high_open=isinstance(op, ast.Lt))
        case ast.Gt() | ast.GtE() if not isinstance(value, str):
            yield Claim(left.id, low=float(value), low_open=isinstance(op, ast.Gt))


def _constant(node: ast.expr) -> Value | None:
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.Constant(value=bool() | int() | float() as number) if abs(number) <= LARGEST:
            return number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _constant(operand)
            return -value if isinstance(value, int | float) else None
    return None


def impossible(node: ast.expr, ranges: Mapping[str, Range]) -> bool:
    """Whether `node` cannot hold while each name lies in its range; a name without one may be anything."""
    match node:
        case ast.BoolOp(op=ast.And(), values=parts):
            return any(impossible(part, ranges) for part in parts)
        case ast.BoolOp(values=parts):
            return all(impossible(part, ranges) for part in parts)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            pairs = zip([left, *comparators], ops, comparators, strict=False)
            return any(_never(before, op, after, ranges) for before, op, after in pairs)
    return False  # a `not` holds where what it denies is no number, so nothing is said of it


def _never(left: ast.expr, op: ast.cmpop, right: ast.expr, ranges: Mapping[str, Range]) -> bool:
    if isinstance(right, ast.List | ast.Tuple):
        return False
    (low, high), (other_low, other_high) = _range(left, ranges), _range(right, ranges)
    match op:
        case ast.Lt():
            return low >= other_high
        case ast.LtE():
            return low > other_high
        case ast.Gt():
            return high <= other_low
        case ast.GtE():
            return high < other_low
        case ast.Eq():
            return low > other_high or high < other_low
    return False


def _range(node: ast.expr, ranges: Mapping[str, Range]) -> Range:
    """Where the value of `node` lies; `ANYTHING` where that is not known."""
    match node:
        case ast.Name(id=name):
            return ranges.get(name, ANYTHING)
        case ast.Constant(value=bool() | int() | float() as value) if abs(value) <= LARGEST:
            return float(value), float(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            low, high = _range(operand, ranges)
            return -high, -low
        case ast.BinOp(left=left, op=op, right=right):
            return _computed(op, _range(left, ranges), _range(right, ranges))
    return ANYTHING


def _computed(op: ast.operator, left: Range, right: Range) -> Range:
    (a, b), (c, d) = left, right
    corners: tuple[float, ...]
    match op:
        case ast.Add():
            corners = (a + c, b + d)
        case ast.Sub():
            corners = (a - d, b - c)
        case ast.Mult():
            corners = (a * c, a * d, b * c, b * d)
        case _:
            if c <= 0 <= d:
                return ANYTHING
            corners = (a / c, a / d, b / c, b / d)
    return ANYTHING if any(map(isnan, corners)) else (min(corners), max(corners))
