"""Constraints as short expressions: `size_mb <= 0.25`, `not (prune > 0.3 and quantization == 'int8-static')`.

The language is a closed subset of Python's expression grammar, read with `ast` and walked here: names, numbers, texts,
truth values, lists after `in`, + - * /, comparisons, and, or, not. There are no calls, attributes, subscripts or
powers, so an expression from another machine can neither reach anything nor run for long. Python's `eval` was rejected
for that reason, a grammar of our own because users know this one.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from autoglm_core.configuration import Value
from autoglm_core.study_error import ConstraintError

LONGEST = 500
"""Characters of an expression."""
DEEPEST = 30
"""Nested operators."""

_Binary = Callable[[Any, Any], Any]
_ARITHMETIC: Mapping[type[ast.operator], _Binary] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: Mapping[type[ast.cmpop], _Binary] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
}


@dataclass(frozen=True)
class Constraint:
    """A condition that has to hold. `names`: the parameters and metrics it speaks of, sorted; `tree`: as it was parsed.

    Raises:
        ConstraintError: `text` is not in the language, compares nothing, or names nothing.
    """

    text: str
    names: tuple[str, ...] = field(init=False, compare=False, repr=False)
    tree: ast.expr = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        tree = _parse(self.text)
        try:
            _check(tree, depth=0)
            _check_truth(tree)
        except ValueError as error:
            raise ConstraintError(constraint=self.text, reason=str(error)) from None
        names = tuple(sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}))
        if not names:
            raise ConstraintError(constraint=self.text, reason="names no parameter and no metric")
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "tree", tree)

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether the constraint is met by `values`; a division by zero, an overflow or NaN means it is not.

        Raises:
            ConstraintError: a name has no value, or a text is used as a number.
        """
        try:
            return bool(_evaluate(self.tree, values))
        except ArithmeticError:
            return False
        except KeyError as error:
            raise ConstraintError(constraint=self.text, reason=f"{error.args[0]} has no value here") from None
        except TypeError:
            raise ConstraintError(
                constraint=self.text, reason="compares or computes with values of other types"
            ) from None


def _parse(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise ConstraintError(constraint=f"{text[:40]}...", reason=f"longer than {LONGEST} characters")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ConstraintError(constraint=text, reason="is no expression such as `size_mb <= 0.25`") from None


def _check(node: ast.expr, *, depth: int) -> None:
    """Raise ValueError at the first thing outside the language."""
    if depth > DEEPEST:
        raise ValueError("is nested too deeply")
    for part in _parts(node):
        _check(part, depth=depth + 1)


def _check_truth(node: ast.expr) -> None:
    """Raise ValueError unless `node` is true or false: a sum is no condition."""
    match node:
        case ast.BoolOp(values=values):
            for value in values:
                _check_truth(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            _check_truth(operand)
        case ast.Compare() | ast.Name():
            pass
        case _:
            raise ValueError("is neither true nor false; compare with <, <=, >, >=, == or !=")


def _parts(node: ast.expr) -> list[ast.expr]:
    """Operands of `node`; ValueError where it is not in the language."""
    match node:
        case ast.Name():
            return []
        case ast.Constant(value=bool() | int() | float() | str()):
            return []
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            return [operand]
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            return [node.left, node.right]
        case ast.BoolOp(values=values):
            return values
        case ast.Compare(ops=ops) if all(type(op) in _COMPARISONS for op in ops):
            return [node.left, *_compared(node)]
        case _:
            raise ValueError("uses more than names, numbers, texts, + - * /, comparisons, and, or, not")


def _compared(node: ast.Compare) -> list[ast.expr]:
    """Right sides; a list after `in` counts as its items."""
    parts: list[ast.expr] = []
    for op, right in zip(node.ops, node.comparators, strict=True):
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple):
                raise ValueError("`in` needs a list, such as `width in [16, 32]`")
            parts.extend(right.elts)
        else:
            parts.append(right)
    return parts


def _evaluate(node: ast.expr, values: Mapping[str, Value]) -> Any:
    match node:
        case ast.Name(id=name):
            return values[name]
        case ast.Constant(value=value):
            return value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_evaluate(item, values) for item in items]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _evaluate(operand, values)
        case ast.UnaryOp(operand=operand):
            return -_evaluate(operand, values)
        case ast.BinOp(left=left, op=op, right=right):
            return _compute(op, _evaluate(left, values), _evaluate(right, values))
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_evaluate(part, values) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_evaluate(part, values) for part in parts)
        case ast.Compare():
            return _compare(node, values)
    raise TypeError


def _compute(op: ast.operator, left: Any, right: Any) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        raise TypeError
    return _ARITHMETIC[type(op)](left, right)


def _compare(node: ast.Compare, values: Mapping[str, Value]) -> bool:
    left = _evaluate(node.left, values)
    for op, comparator in zip(node.ops, node.comparators, strict=True):
        right = _evaluate(comparator, values)
        if not _COMPARISONS[type(op)](left, right):
            return False
        left = right
    return True
