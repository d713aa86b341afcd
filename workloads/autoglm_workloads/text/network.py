"""A pretrained model with a tuning method's modules and its heads: what a site trains and what is exported.

Built once per process and then loaded with one vector after another: whatever a training may have changed is in the
vector or is set back by `load`, so that a task's outcome does not depend on the task before it.

Needs torch at import: import it inside functions only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from autoglm_core.workload import ParameterLayout, Vector
from autoglm_workloads.models.loading import load
from autoglm_workloads.text.adapters.insertion import Parameters, Target, insert
from autoglm_workloads.text.errors import OtherModules, TextTooLong
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.layout import longest_text, text_skeleton, trained_tensors
from autoglm_workloads.text.merging import Merged, MergedTasks, merged_body
from autoglm_workloads.text.methods import BACKBONE, Start
from autoglm_workloads.text.reading import attended, pooled, run, side_by_side
from autoglm_workloads.text.training.crf import Chain
from autoglm_workloads.text.training.job import DepthParameter

if TYPE_CHECKING:
    from autoglm_workloads.models.shelf import ShelvedModel
    from autoglm_workloads.text.tuning_options import Method


DROPOUT_WORDS = ("dropout", "pdrop")
"""In the name of a number that a module drops with itself, as transformers names them: `dropout` in OPT,
`attention_dropout`, `attn_pdrop`. A `layerdrop`, which leaves out whole layers, is not one of them."""


def build(
    model: ShelvedModel, method: Method, heads: Mapping[str, HeadSpec], *, study_seed: bytes, dropout: float
) -> Network:
    """Load `model` and make it a network; torch's generators are left as they were.

    Raises:
        StudyError: the method or a head does not fit the architecture.
        ModelMissing and other errors of the shelf: the model cannot be loaded.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # new modules draw their weights: always the same, until some are loaded
        return Network(model, method, heads, study_seed=study_seed, dropout=dropout)


class Network(nn.Module):  # type: ignore[misc]
    """See the module. `dropout` is that of the whole model, and of the states before a head."""

    def __init__(
        self, model: ShelvedModel, method: Method, heads: Mapping[str, HeadSpec], *, study_seed: bytes, dropout: float
    ) -> None:
        super().__init__()
        self.description = model.description
        self.method = method
        self.head_specs = dict(heads)
        self.dropout = dropout
        self._tensors = trained_tensors(self.description, method, heads)
        self.layout = ParameterLayout(tuple(tensor.spec for tensor in self._tensors))
        language = any(head.kind == "language" for head in heads.values())
        self.body = _frozen(load(model, language=language), dropout)
        own = {f"{BACKBONE}{name}": value for name, value in self.body.named_parameters()}
        target = Target(self.body, text_skeleton(self.description, heads), self.description.architecture, study_seed)
        own |= insert(target, method)
        self.added = nn.ParameterDict()
        self._trained = self._all_trained(own)
        self._set_back()

    @property
    def total_parameters(self) -> int:
        """Of the model with everything added to it; tied ones once."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def trainable_parameters(self) -> int:
        """What is trained and travels."""
        return self.layout.size

    def load(self, vector: Vector) -> None:
        """Take over `vector` `(layout.size,)`; after it the network is as if it had just been built and loaded.

        Raises:
            WrongLength: the vector is not of this layout.
        """
        tensors = self.layout.split(vector)
        with torch.no_grad():
            for name, parameter in self._trained.items():
                parameter.copy_(torch.tensor(tensors[name]))
        self._set_back()

    def vector(self) -> Vector:
        """What is trained, `(layout.size,)`."""
        arrays = {name: parameter.detach().cpu().numpy() for name, parameter in self._trained.items()}
        return self.layout.join(arrays)

    def forward(self, ids: torch.Tensor, head: str) -> torch.Tensor:
        """Logits of token ids `(batch, tokens)`: `(batch, outputs)` of a pooled head, else `(batch, tokens, outputs)`.

        Raises:
            TextTooLong: the model has no positions for so many tokens.
        """
        language = self.head_specs[head].kind == "language"
        states, mask = self._read(ids, logits=language)
        return states if language else self._logits(states, mask, head)

    def answer(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits of the one head; of several the ones beside the others `(batch, tokens, sum of outputs)`, by name."""
        if len(self.head_specs) == 1:
            return self(ids, next(iter(self.head_specs)))
        states, mask = self._read(ids, logits=False)
        return side_by_side([self._logits(states, mask, head) for head in sorted(self.head_specs)], ids.shape[1])

    def parameter(self, name: str) -> nn.Parameter:
        """A trained tensor by its name in the layout, for example `uncertainty.tags`."""
        return self._trained[name]

    def chain(self, head: str) -> Chain:
        """The CRF of a head that has one."""
        return Chain(*(self._trained[f"head.{head}.{name}"] for name in ("between", "start", "end")))

    def depth_parameters(self) -> tuple[DepthParameter, ...]:
        """What is trained, for the training loop."""
        return tuple(
            DepthParameter(
                tensor.spec.name,
                self._trained[tensor.spec.name],
                tensor.depth,
                tensor.head,
                factors=tensor.start is Start.ONES,
            )
            for tensor in self._tensors
        )

    def word_vectors(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The table of word embeddings `(vocabulary, width)`."""
        table: np.ndarray[Any, np.dtype[np.float32]] = self.body.get_input_embeddings().weight.detach().cpu().numpy()
        return table

    def merged(self, head: str) -> Merged:
        """A module of its own, on the CPU, from ids to the logits of `head`: no dropout, LoRA and IA3 multiplied in."""
        spec = self.head_specs[head]
        linear = None if spec.kind == "language" else self._linear(head)
        module = Merged(merged_body(self.body), self._kept_prompt(), linear, spec, self.description.pad)
        module.cpu().eval()
        return module

    def merged_answer(self) -> Merged | MergedTasks:
        """As `merged`, to what `answer` gives."""
        names = sorted(self.head_specs)
        if len(names) == 1:
            return self.merged(names[0])
        linears = [self._linear(name) for name in names]
        specs = [self.head_specs[name] for name in names]
        module = MergedTasks(merged_body(self.body), self._kept_prompt(), linears, specs, self.description.pad)
        module.cpu().eval()
        return module

    def _linear(self, head: str) -> nn.Linear:
        linear = nn.Linear(self.description.hidden_size, self.head_specs[head].outputs)
        with torch.no_grad():
            linear.weight.copy_(self._trained[f"head.{head}.weight"])
            linear.bias.copy_(self._trained[f"head.{head}.bias"])
        return linear

    def _kept_prompt(self) -> torch.Tensor | None:
        prompt = self._prompt()
        return None if prompt is None else prompt.detach().clone()

    def _read(self, ids: torch.Tensor, *, logits: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """States or `logits`, and the mask."""
        longest = longest_text(self.description, self.method)
        if ids.shape[1] > longest:
            raise TextTooLong(tokens=ids.shape[1], longest=longest)
        mask = attended(ids, self.description.pad)
        return run(self.body, ids, mask, self._prompt(), logits=logits), mask

    def _logits(self, states: torch.Tensor, mask: torch.Tensor, head: str) -> torch.Tensor:
        """Of a pooled head or one of tokens."""
        spec = self.head_specs[head]
        if spec.kind == "pooled":
            states = pooled(states, mask, spec.pooling)
        states = nn.functional.dropout(states, self.dropout, self.training)
        weight, bias = (self._trained[f"head.{head}.{name}"] for name in ("weight", "bias"))
        return nn.functional.linear(states, weight, bias)

    def _prompt(self) -> nn.Parameter | None:
        return self._trained.get("prompt")

    def _all_trained(self, own: Parameters) -> Parameters:
        """The trained tensors by name; those that no module of the model holds become parameters of the network."""
        trained: Parameters = {}
        for tensor in self._tensors:
            name, shape = tensor.spec.name, tensor.spec.shape
            if name not in own and (tensor.head or name == "prompt"):
                own[name] = self.added[name.replace(".", "/")] = nn.Parameter(torch.zeros(shape))
            if name not in own or tuple(own[name].shape) != shape:
                raise OtherModules(tensor=name)
            trained[name] = own[name]
        return trained

    def _set_back(self) -> None:
        """As built: nothing but the trained tensors trains, no gradients, no recomputation, evaluating."""
        self.requires_grad_(False)
        for parameter in self._trained.values():
            parameter.requires_grad_(True)
        self.zero_grad(set_to_none=True)
        if self.body.supports_gradient_checkpointing:
            self.body.activation_checkpointing_disable()
        self.eval()


def _frozen(body: Any, dropout: float) -> Any:
    """`body` with nothing to train, one dropout everywhere, and no cache of keys and values."""
    body.requires_grad_(False)
    body.config.use_cache = False
    for module in body.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
        for name in _dropout_numbers(module):
            setattr(module, name, dropout)
    return body


def _dropout_numbers(module: nn.Module) -> list[str]:
    """Names of the numbers that `module` drops with itself; a switch such as `token_dropout` is none."""
    named = [name for name in vars(module) if any(word in name for word in DROPOUT_WORDS)]
    return [name for name in named if type(getattr(module, name)) in (int, float)]
