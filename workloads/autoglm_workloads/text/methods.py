"""Tuning methods: what of a pretrained model is trained, and the tensors that travel for it. No torch.

    full      every weight of the model
    head      the head alone; the model stays as it is
    lora      a low-rank update of chosen linear layers (Hu et al. 2021), as rsLoRA (Kalajdzievski 2023) or DoRA (Liu et
              al. 2024), too
    ia3       factors on keys, values and the inner activations of the feed-forward part (Liu et al. 2022)
    prompt    learned vectors before the text (Lester et al. 2021)
    prefix    learned keys and values before those of the text, in every layer (Li and Liang 2021)
    adapter   bottlenecks behind attention and/or feed-forward (Houlsby et al. 2019, Pfeiffer et al. 2021)

`method_tensors` is the one place that says which tensors a method has, in which order, at which depth and with what
they start: daemons ask it without torch, and `network` builds the modules to its list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from autoglm_core.workload import ParameterSpec
from autoglm_workloads.text.places import adapter_targets, ia3_targets, lora_targets, prefix_targets, prompt_width
from autoglm_workloads.text.tuning_options import METHOD_NAMES, Method

if TYPE_CHECKING:
    from autoglm_workloads.models.description import Skeleton

__all__ = [
    "BACKBONE",
    "METHOD_NAMES",
    "Method",
    "Start",
    "TrainedTensor",
    "frozen_parameters",
    "method_layout",
    "method_tensors",
]


BACKBONE = "backbone."
"""Begins the name of a tensor of the model itself."""


class Start(StrEnum):
    """What a trained tensor holds before the first round."""

    BUILT = "built"
    """What the built network has: pretrained weights, or the norms of DoRA."""
    UNIFORM = "uniform"
    """Uniform within 1/sqrt(inputs), as peft draws LoRA's A (He et al. 2015, with a = sqrt(5))."""
    NORMAL = "normal"
    """Normal with a small deviation."""
    ZEROS = "zeros"
    ONES = "ones"
    TOKENS = "tokens"
    """Embeddings of tokens drawn from the vocabulary: prompts that start there learn faster (Lester et al. 2021)."""


@dataclass(frozen=True)
class TrainedTensor:
    """A tensor of the vector; `depth` 0 for embeddings, 1 to `layers`, `layers` + 1 for what follows."""

    spec: ParameterSpec
    depth: int
    start: Start
    head: bool = False
    """Whether it belongs to a head, which may have a learning rate of its own."""


def method_layout(skeleton: Skeleton, method: Method, *, architecture: str) -> tuple[ParameterSpec, ...]:
    """The tensors that `method` trains in a model of `skeleton`, heads left out.

    Raises:
        StudyError: the method does not fit the architecture.
    """
    return tuple(tensor.spec for tensor in method_tensors(skeleton, method, architecture=architecture))


def method_tensors(skeleton: Skeleton, method: Method, *, architecture: str) -> tuple[TrainedTensor, ...]:
    """Like `method_layout`, with depths and starts."""
    return tuple(_TENSORS[method.method](skeleton, method, architecture))


def frozen_parameters(skeleton: Skeleton, method: Method, *, architecture: str) -> int:
    """Numbers that a method adds and never trains: FFA's A, of each layer."""
    if method.method != "lora" or method.lora_averaging != "ffa":
        return 0
    return sum(method.lora_rank * linear.inputs for linear in lora_targets(skeleton, method, architecture))


def _full(skeleton: Skeleton, method: Method, architecture: str) -> Iterator[TrainedTensor]:
    for tensor in skeleton.tensors:
        spec = ParameterSpec(f"{BACKBONE}{tensor.name}", tuple(tensor.shape))
        yield TrainedTensor(spec, skeleton.depth[tensor.name], Start.BUILT)


def _head(skeleton: Skeleton, method: Method, architecture: str) -> Iterator[TrainedTensor]:
    return iter(())


def _lora(skeleton: Skeleton, method: Method, architecture: str) -> Iterator[TrainedTensor]:
    for linear in lora_targets(skeleton, method, architecture):
        depth = skeleton.depth[f"{linear.name}.weight"]
        if method.lora_averaging == "plain":
            spec = ParameterSpec(f"{linear.name}.lora_a", (method.lora_rank, linear.inputs))
            yield TrainedTensor(spec, depth, Start.UNIFORM)
        spec = ParameterSpec(f"{linear.name}.lora_b", (linear.outputs, method.lora_rank))
        yield TrainedTensor(spec, depth, Start.ZEROS)
        if method.lora_variant == "dora":
            yield TrainedTensor(ParameterSpec(f"{linear.name}.lora_magnitude", (linear.outputs,)), depth, Start.BUILT)


def _ia3(skeleton: Skeleton, method: Method, architecture: str) -> Iterator[TrainedTensor]:
    for linear, before in ia3_targets(skeleton, method, architecture):
        spec = ParameterSpec(f"{linear.name}.ia3", (1, linear.inputs) if before else (linear.outputs, 1))
        yield TrainedTensor(spec, skeleton.depth[f"{linear.name}.weight"], Start.ONES)


def _prompt(skeleton: Skeleton, method: Method, architecture: str) -> Iterator[TrainedTensor]:
    width = prompt_width(skeleton, method, architecture)
    yield TrainedTensor(ParameterSpec("prompt", (method.prompt_length, width)), 0, Start.TOKENS)


def _prefix(skeleton: Skeleton, method: Method, architecture: str) -> Iterator[TrainedTensor]:
    for depth, pair in prefix_targets(skeleton, method, architecture).items():
        for name, linear in zip(("keys", "values"), pair, strict=True):
            spec = ParameterSpec(f"prefix.{depth}.{name}", (method.prompt_length, linear.outputs))
            yield TrainedTensor(spec, depth, Start.NORMAL)


def _adapter(skeleton: Skeleton, method: Method, architecture: str) -> Iterator[TrainedTensor]:
    for linear in adapter_targets(skeleton, method, architecture):
        depth, size, width = skeleton.depth[f"{linear.name}.weight"], method.adapter_size, linear.outputs
        for name, shape, start in (
            ("down.weight", (size, width), Start.UNIFORM),
            ("down.bias", (size,), Start.ZEROS),
            ("up.weight", (width, size), Start.ZEROS),
            ("up.bias", (width,), Start.ZEROS),
        ):
            yield TrainedTensor(ParameterSpec(f"{linear.name}.adapter.{name}", shape), depth, start)


_TENSORS: Mapping[str, Callable[[Skeleton, Method, str], Iterator[TrainedTensor]]] = {
    "full": _full,
    "head": _head,
    "lora": _lora,
    "ia3": _ia3,
    "prompt": _prompt,
    "prefix": _prefix,
    "adapter": _adapter,
}
