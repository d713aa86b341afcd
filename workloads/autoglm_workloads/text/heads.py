"""Heads: what turns a model's hidden states into logits for one task. No torch.

Several heads share one model (multi-task); their losses are then weighted by learned variances (Kendall et al. 2018),
so that each task has one more parameter, `uncertainty.<task>`: the logarithm of its variance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from autoglm_core.study_error import StudyError, nearest
from autoglm_core.workload import ParameterSpec
from autoglm_workloads.text.methods import Start, TrainedTensor

POOLINGS = ("mean", "first", "last")


@dataclass(frozen=True)
class HeadSpec:
    """A head with `outputs` logits for each text (`pooled`) or each token (`tokens`, `language`).

    `pooling`: which hidden state stands for a text: the mean over its tokens, the first token's or the last one's.
    `crf`: of `tokens`: the scores of a tag after another, first and last are parameters too; they are for the loss and
    for decoding, and no part of the logits. The output layer of `language` comes with the model; `full` and `head`
    train it.

    Raises:
        StudyError: another pooling, or a CRF where there are no tags.
    """

    kind: Literal["pooled", "tokens", "language"]
    outputs: int
    pooling: str = "mean"
    crf: bool = False

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            reason = f"must be one of {', '.join(POOLINGS)}"
            raise StudyError(("model", "options", "pooling"), reason, nearest=nearest(self.pooling, POOLINGS))
        if self.crf and self.kind != "tokens":
            raise StudyError(("model", "options", "crf"), "only a head of tags has a CRF")


def head_layout(heads: Mapping[str, HeadSpec], hidden_size: int) -> tuple[ParameterSpec, ...]:
    """The tensors of `heads` in the order of their names; a `language` head has none of its own."""
    return tuple(tensor.spec for tensor in head_tensors(heads, hidden_size, depth=0))


def head_tensors(heads: Mapping[str, HeadSpec], hidden_size: int, *, depth: int) -> tuple[TrainedTensor, ...]:
    """Like `head_layout`, all at `depth`, the one behind the last layer."""
    specs = [item for name in sorted(heads) for item in _tensors(name, heads[name], hidden_size)]
    if len(heads) > 1:
        specs += [(ParameterSpec(f"uncertainty.{name}", ()), Start.ZEROS) for name in sorted(heads)]
    return tuple(TrainedTensor(spec, depth, start, head=True) for spec, start in specs)


def _tensors(name: str, head: HeadSpec, hidden_size: int) -> Iterator[tuple[ParameterSpec, Start]]:
    if head.kind == "language":
        return
    yield ParameterSpec(f"head.{name}.weight", (head.outputs, hidden_size)), Start.NORMAL
    yield ParameterSpec(f"head.{name}.bias", (head.outputs,)), Start.ZEROS
    if head.crf:
        yield ParameterSpec(f"head.{name}.between", (head.outputs, head.outputs)), Start.NORMAL
        yield ParameterSpec(f"head.{name}.start", (head.outputs,)), Start.NORMAL
        yield ParameterSpec(f"head.{name}.end", (head.outputs,)), Start.NORMAL
