"""How many numbers a text model has, trains and exports, without loading it. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.layout import text_skeleton, trained_tensors
from autoglm_workloads.text.methods import BACKBONE, TrainedTensor, frozen_parameters
from autoglm_workloads.text.tuning_options import Method

if TYPE_CHECKING:
    from autoglm_workloads.models.description import Description

BESIDE = ("prompt", "prefix", "adapter")
"""Methods whose tensors stay beside the model's weights; those of the others are merged into them, or are they."""


@dataclass(frozen=True)
class ParameterCounts:
    """Of one tuning method on one model; tied tensors count once.

    Attributes:
        total: The model with everything that training adds to it, FFA's frozen matrices included.
        trained: What is trained and travels.
        adapter: Of `trained`, what belongs to no head.
        exported: By head, the model that `Network.merged` gives.
        answering: The model that `Network.merged_answer` gives, with the logits of all heads.
    """

    total: int
    trained: int
    adapter: int
    exported: Mapping[str, int]
    answering: int


def parameter_counts(description: Description, method: Method, heads: Mapping[str, HeadSpec]) -> ParameterCounts:
    """Raises `StudyError` like `text_layout`."""
    skeleton = text_skeleton(description, heads)
    tensors = trained_tensors(description, method, heads)
    added = [tensor for tensor in tensors if not tensor.spec.name.startswith(BACKBONE)]
    frozen = frozen_parameters(skeleton, method, architecture=description.architecture)
    kept = _size(tensor for tensor in added if not tensor.head) if method.method in BESIDE else 0
    return ParameterCounts(
        total=skeleton.parameters + _size(added) + frozen,
        trained=_size(tensors),
        adapter=_size(tensor for tensor in tensors if not tensor.head),
        exported={name: skeleton.parameters + kept + _logits(added, name) for name in heads},
        answering=skeleton.parameters + kept + sum(_logits(added, name) for name in heads),
    )


def _logits(added: Iterable[TrainedTensor], head: str) -> int:
    names = (f"head.{head}.weight", f"head.{head}.bias")
    return _size(tensor for tensor in added if tensor.spec.name in names)


def _size(tensors: Iterable[TrainedTensor]) -> int:
    return sum(tensor.spec.size for tensor in tensors)
