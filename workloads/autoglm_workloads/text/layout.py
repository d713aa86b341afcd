"""The vector of a text model: a tuning method's tensors, then the heads'. No torch: both daemons ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from autoglm_core.study_error import StudyError
from autoglm_core.workload import ParameterLayout, ParameterSpec
from autoglm_workloads.text.heads import HeadSpec, head_tensors
from autoglm_workloads.text.methods import BACKBONE, Start, TrainedTensor, method_tensors
from autoglm_workloads.text.places import word_embedding
from autoglm_workloads.text.tuning_options import Method

if TYPE_CHECKING:
    from autoglm_workloads.models.description import Description, Skeleton


def text_layout(description: Description, method: Method, heads: Mapping[str, HeadSpec]) -> ParameterLayout:
    """All that is trained and travels.

    Raises:
        StudyError: the method or a head does not fit the architecture, or nothing would be trained.
    """
    return ParameterLayout(tuple(tensor.spec for tensor in trained_tensors(description, method, heads)))


def trained_tensors(
    description: Description, method: Method, heads: Mapping[str, HeadSpec]
) -> tuple[TrainedTensor, ...]:
    """Like `text_layout`, with depths and starts."""
    skeleton = text_skeleton(description, heads)
    tensors = method_tensors(skeleton, method, architecture=description.architecture)
    if method.method != "full" and any(_trains_output(method, head) for head in heads.values()):
        tensors += (_output_layer(skeleton, description),)
    tensors += head_tensors(heads, description.hidden_size, depth=description.layers + 1)
    if not tensors:
        raise StudyError(("search", "tune", "method"), f"{method.method} would train nothing here")
    if longest_text(description, method) < 1:
        reason = f"must leave room for a text: the model has {description.positions} positions"
        raise StudyError(("search", "tune", "prompt_length"), reason)
    return tensors


def text_skeleton(description: Description, heads: Mapping[str, HeadSpec]) -> Skeleton:
    """The model's skeleton, with its output layer where a head of language needs that.

    Raises:
        StudyError: the architecture has no output layer over the vocabulary.
    """
    if not any(head.kind == "language" for head in heads.values()):
        return description.backbone
    if description.language is None:
        reason = f"{description.architecture} predicts no next token here: choose a decoder with its head, such as glm4"
        raise StudyError(("model",), reason)
    return description.language


def longest_text(description: Description, method: Method) -> int:
    """Tokens that a text may have: learned prompts take positions, learned prefixes do not."""
    return description.positions - (method.prompt_length if method.method == "prompt" else 0)


def _trains_output(method: Method, head: HeadSpec) -> bool:
    return head.kind == "language" and method.method == "head"


def _output_layer(skeleton: Skeleton, description: Description) -> TrainedTensor:
    """The matrix before the logits; where it is tied to the word embeddings, that table."""
    behind = [
        tensor
        for tensor in skeleton.tensors
        if skeleton.depth[tensor.name] > description.layers and len(tensor.shape) == 2
    ]
    tensor = (behind or list(word_embedding(skeleton)))[-1]
    return TrainedTensor(
        ParameterSpec(f"{BACKBONE}{tensor.name}", tuple(tensor.shape)),
        skeleton.depth[tensor.name],
        Start.BUILT,
        head=True,
    )
