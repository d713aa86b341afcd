"""Where in a model's skeleton a tuning method takes hold. No torch.

Architectures name their layers differently and order them alike: the projection back to the model's width ends the
attention part, and the second (or third) linear layer ends the feed-forward part. Only keys and values are told by
name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import TYPE_CHECKING, TypeVar

from autoglm_core.study_error import StudyError

if TYPE_CHECKING:
    from autoglm_workloads.models.description import Linear, Skeleton, Tensor
    from autoglm_workloads.text.tuning_options import Method

KEY_NAMES = ("key", "k_proj", "k_lin", "key_proj", "k")
VALUE_NAMES = ("value", "v_proj", "v_lin", "value_proj", "v")
PREFIX_ARCHITECTURES = (
    "bert", "roberta", "xlm-roberta", "distilbert", "electra", "camembert",
    "glm", "glm4", "llama", "mistral", "qwen2", "qwen3",
)  # fmt: skip
"""Their attention goes through transformers' attention interface, with `(batch, heads, tokens, size)`."""
Places = TypeVar("Places", bound=Sized)


def lora_targets(skeleton: Skeleton, method: Method, architecture: str) -> tuple[Linear, ...]:
    """The linear layers that LoRA updates, in the model's order.

    Raises:
        StudyError: there are none, or the rank is no low one.
    """
    chosen = {
        "attention": skeleton.attention,
        "feed-forward": skeleton.feed_forward,
        "all": (*skeleton.attention, *skeleton.feed_forward),
    }[method.lora_targets]
    targets = _of_names(skeleton, chosen)
    _fitting(targets, method, architecture, f"it has no linear layer of the kind {method.lora_targets}")
    highest = min(min(linear.inputs, linear.outputs) for linear in targets)
    if method.lora_rank > highest:
        reason = f"must be at most {highest} in this model: no layer's update has a higher rank"
        raise StudyError(("search", "tune", "lora_rank"), reason)
    return targets


def adapter_targets(skeleton: Skeleton, method: Method, architecture: str) -> tuple[Linear, ...]:
    """The linear layers that end the attention and/or the feed-forward part of each layer, in the model's order."""
    parts = ("attention", "feed-forward") if method.adapter_after == "all" else (method.adapter_after,)
    targets = _of_names(skeleton, [linear.name for part in parts for linear in _last_of_each_layer(skeleton, part)])
    return _fitting(targets, method, architecture, f"no linear layer ends its {method.adapter_after} part")


def ia3_targets(skeleton: Skeleton, method: Method, architecture: str) -> tuple[tuple[Linear, bool], ...]:
    """Linear layers with whether the factors stand before them (feed-forward) or behind them (keys and values)."""
    pairs = _keys_and_values(skeleton)
    _fitting(pairs, method, architecture, "its keys and values are no linear layers of their own")
    ends = {linear.name for linear in _last_of_each_layer(skeleton, "feed-forward")}
    names = ends | {linear.name for pair in pairs.values() for linear in pair}
    return tuple((linear, linear.name in ends) for linear in _of_names(skeleton, names))


def prefix_targets(skeleton: Skeleton, method: Method, architecture: str) -> dict[int, tuple[Linear, Linear]]:
    """Key and value layers by depth."""
    pairs = _keys_and_values(skeleton) if architecture in PREFIX_ARCHITECTURES else {}
    return _fitting(pairs, method, architecture, f"it works with {', '.join(PREFIX_ARCHITECTURES)}")


def prompt_width(skeleton: Skeleton, method: Method, architecture: str) -> int:
    """Numbers of a word vector."""
    table = _fitting(word_embedding(skeleton), method, architecture, "it has no table of word embeddings")
    return table[0].shape[1]


def word_embedding(skeleton: Skeleton) -> tuple[Tensor, ...]:
    """The table of word embeddings `(vocabulary, width)`: the longest matrix before the first layer; at most one."""
    tables = [tensor for tensor in skeleton.tensors if skeleton.depth[tensor.name] == 0 and len(tensor.shape) == 2]
    return tuple(sorted(tables, key=lambda tensor: -tensor.shape[0])[:1])


def _fitting(places: Places, method: Method, architecture: str, reason: str) -> Places:
    """`places`, of which there is at least one; otherwise a StudyError for `reason`."""
    if len(places) == 0:
        text = f"{method.method} does not fit the architecture {architecture}: {reason}; leave it out or take lora"
        raise StudyError(("search", "tune", "method"), text)
    return places


def _of_names(skeleton: Skeleton, names: Iterable[str]) -> tuple[Linear, ...]:
    chosen = frozenset(names)
    return tuple(linear for linear in skeleton.linears if linear.name in chosen)


def _last_of_each_layer(skeleton: Skeleton, part: str) -> tuple[Linear, ...]:
    chosen = _of_names(skeleton, skeleton.attention if part == "attention" else skeleton.feed_forward)
    return tuple({skeleton.depth[f"{linear.name}.weight"]: linear for linear in chosen}.values())


def _keys_and_values(skeleton: Skeleton) -> dict[int, tuple[Linear, Linear]]:
    """The linear layers that make keys and values, by depth; empty where they are one layer with the queries."""
    found: dict[int, dict[str, Linear]] = {}
    for linear in _of_names(skeleton, skeleton.attention):
        ending = linear.name.rpartition(".")[2]
        kind = "key" if ending in KEY_NAMES else "value" if ending in VALUE_NAMES else None
        if kind is not None:
            found.setdefault(skeleton.depth[f"{linear.name}.weight"], {})[kind] = linear
    if any(len(pair) != 2 for pair in found.values()):
        return {}
    return {depth: (pair["key"], pair["value"]) for depth, pair in found.items()}
