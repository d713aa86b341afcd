"""Put a tuning method's modules into a loaded model, and take them out again for export.

LoRA, DoRA and IA3 are peft's own layers, put in place one by one: peft's wrapper around whole models would choose the
targets by names of its own, rename every tensor, and want a task type that fixes the head. Prompts, prefixes and
bottlenecks are ours: peft hands prefixes to a model as a cache of past keys, which the encoders of transformers 5 do
not take (DistilBERT has no such argument, BERT's mask leaves them out) and gradient checkpointing drops; and peft has
no plain bottlenecks.

Needs torch at import: import it inside functions only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from autoglm_workloads.text.adapters.bottleneck import Bottleneck
from autoglm_workloads.text.adapters.factors import ia3_layer
from autoglm_workloads.text.adapters.low_rank import lora_layer, lora_parameters
from autoglm_workloads.text.adapters.prefix import Prefix, attend_to_prefixes
from autoglm_workloads.text.places import adapter_targets, ia3_targets, lora_targets, prefix_targets

if TYPE_CHECKING:
    from autoglm_workloads.models.description import Skeleton
    from autoglm_workloads.text.tuning_options import Method

Parameters = dict[str, nn.Parameter]


@dataclass(frozen=True)
class Target:
    """A loaded model with what is known of it; `study_seed` is what frozen matrices are drawn from."""

    body: nn.Module
    skeleton: Skeleton
    architecture: str
    study_seed: bytes


def insert(target: Target, method: Method) -> Parameters:
    """Change the model in place; the new tensors by their names in the vector. `full` and `head` change nothing."""
    insertion = _INSERTIONS.get(method.method)
    return insertion(target, method) if insertion else {}


def replace_module(body: nn.Module, name: str, module: nn.Module) -> None:
    """Put `module` where the submodule `name` of `body` is."""
    parent, _, child = name.rpartition(".")
    setattr(body.get_submodule(parent), child, module)


def _insert_lora(target: Target, method: Method) -> Parameters:
    found: Parameters = {}
    for linear in lora_targets(target.skeleton, method, target.architecture):
        layer = lora_layer(target.body.get_submodule(linear.name), linear, method, target.study_seed)
        replace_module(target.body, linear.name, layer)
        found |= lora_parameters(layer, linear.name, method)
    return found


def _insert_ia3(target: Target, method: Method) -> Parameters:
    found: Parameters = {}
    for linear, before in ia3_targets(target.skeleton, method, target.architecture):
        layer = ia3_layer(target.body.get_submodule(linear.name), linear, before=before)
        replace_module(target.body, linear.name, layer)
        found[f"{linear.name}.ia3"] = layer.ia3_l["default"]
    return found


def _insert_adapters(target: Target, method: Method) -> Parameters:
    found: Parameters = {}
    for linear in adapter_targets(target.skeleton, method, target.architecture):
        layer = Bottleneck(target.body.get_submodule(linear.name), linear.outputs, method.adapter_size)
        replace_module(target.body, linear.name, layer)
        found |= {f"{linear.name}.adapter.{name}": value for name, value in layer.adapter.named_parameters()}
    return found


def _insert_prefix(target: Target, method: Method) -> Parameters:
    found: Parameters = {}
    for depth, (key, value) in prefix_targets(target.skeleton, method, target.architecture).items():
        prefix = Prefix(method.prompt_length, key.outputs, value.outputs)
        target.body.get_submodule(key.name.rpartition(".")[0]).add_module("prefix", prefix)
        found |= {f"prefix.{depth}.keys": prefix.keys, f"prefix.{depth}.values": prefix.values}
    attend_to_prefixes(target.body)
    return found


_INSERTIONS: Mapping[str, Callable[[Target, Method], Parameters]] = {
    "lora": _insert_lora,
    "ia3": _insert_ia3,
    "adapter": _insert_adapters,
    "prefix": _insert_prefix,
}
