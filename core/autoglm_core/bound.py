"""Constraints that keep one figure on one side of a number: `size_mb <= 0.25`, `0.5 < accuracy`, both joined by `and`.

Of these a model of the figure says how likely they are to hold; of any other expression it is only known whether it
held.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from itertools import pairwise

from autoglm_core.constraint import Constraint


@dataclass(frozen=True)
class Bound:
    """`name` is at most (`upper`) or at least `limit`; `strict`: and not equal to it."""

    name: str
    limit: float
    upper: bool
    strict: bool = False

    def holds(self, value: float) -> bool:
        """Whether `value` keeps the bound; NaN does not."""
        beyond = self.limit - value if self.upper else value - self.limit
        return beyond > 0 or (beyond == 0 and not self.strict)


def bounds_of(constraint: Constraint) -> tuple[Bound, ...]:
    """The bounds that together say all that `constraint` says; none where it says something else."""
    try:
        return _bounds(ast.parse(constraint.text.strip(), mode="eval").body)
    except _OtherForm:
        return ()


class _OtherForm(Exception):
    """The expression is no conjunction of bounds."""


def _bounds(node: ast.expr) -> tuple[Bound, ...]:
    match node:
        case ast.BoolOp(op=ast.And(), values=parts):
            return tuple(bound for part in parts for bound in _bounds(part))
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            sides = pairwise((left, *comparators))
            return tuple(_bound(low, op, high) for (low, high), op in zip(sides, ops, strict=True))
        case _:
            raise _OtherForm


def _bound(left: ast.expr, op: ast.cmpop, right: ast.expr) -> Bound:
    if not isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
        raise _OtherForm
    strict, less = isinstance(op, ast.Lt | ast.Gt), isinstance(op, ast.Lt | ast.LtE)
    match left, right:
        case ast.Name(id=name), _:
            return Bound(name, _number(right), upper=less, strict=strict)
        case _, ast.Name(id=name):
            return Bound(name, _number(left), upper=not less, strict=strict)
    raise _OtherForm


def _number(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=bool()):
            raise _OtherForm
        case ast.Constant(value=int() | float() as value) if abs(value) <= sys.float_info.max:
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand)
    raise _OtherForm
