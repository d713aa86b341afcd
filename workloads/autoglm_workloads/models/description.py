"""What must be known of a model without loading it: so both daemons compute layouts, and neither imports torch.

It is made once, when a model is put on the shelf, from the modules that transformers builds, and kept beside the
weights. It is derived from what the content hash covers, and no part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from autoglm_core.canonical import Json

VERSION = 1
"""Of the form of `description.json`."""


@dataclass(frozen=True)
class Tensor:
    """One parameter: dotted `name` and `shape`."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Elements."""
        return prod(self.shape)


@dataclass(frozen=True)
class Linear:
    """A linear map by its module's dotted `name`; `transposed`: its weight is (inputs, outputs), as GPT-2 keeps it."""

    name: str
    inputs: int
    outputs: int
    transposed: bool = False


@dataclass(frozen=True)
class Skeleton:
    """A module tree as a list.

    Attributes:
        tensors: Parameters in torch's order, tied ones once.
        linears: Linear maps in torch's order, a language model's last one included.
        attention: Names of the linears that project queries, keys, values and their outcome.
        feed_forward: Names of the linears of the feed-forward parts.
        depth: Tensor name -> 0 for embeddings, 1 to the number of layers, one more for what follows.
    """

    tensors: tuple[Tensor, ...]
    linears: tuple[Linear, ...]
    attention: tuple[str, ...]
    feed_forward: tuple[str, ...]
    depth: Mapping[str, int]

    @property
    def parameters(self) -> int:
        """Elements of all tensors."""
        return sum(tensor.size for tensor in self.tensors)

    def to_json(self) -> Json:
        """Canonical form."""
        return {
            "tensors": [[tensor.name, list(tensor.shape)] for tensor in self.tensors],
            "linears": [[entry.name, entry.inputs, entry.outputs, entry.transposed] for entry in self.linears],
            "attention": list(self.attention),
            "feed_forward": list(self.feed_forward),
            "depth": dict(self.depth),
        }

    @classmethod
    def from_json(cls, value: Json) -> Skeleton:
        """Inverse of `to_json`. Raises KeyError, TypeError or ValueError on anything else."""
        return cls(
            tensors=tuple(Tensor(str(name), tuple(int(side) for side in shape)) for name, shape in value["tensors"]),
            linears=tuple(Linear(str(name), int(i), int(o), bool(t)) for name, i, o, t in value["linears"]),
            attention=tuple(map(str, value["attention"])),
            feed_forward=tuple(map(str, value["feed_forward"])),
            depth={str(name): int(depth) for name, depth in value["depth"].items()},
        )


@dataclass(frozen=True)
class Description:
    """A model.

    Attributes:
        architecture: config.json's model_type: bert, glm4, llama.
        decoder: Whether a position sees only those before it.
        hidden_size: Width of a position's state.
        layers: Number of blocks.
        heads: Attention heads of a block.
        vocabulary: Rows of the token embedding.
        positions: Longest input, in tokens.
        pad: Token that fills short inputs.
        backbone: What AutoModel builds, without a pooler.
        language: What AutoModelForCausalLM builds; None for an encoder, and where the weights have no such head.
    """

    architecture: str
    decoder: bool
    hidden_size: int
    layers: int
    heads: int
    vocabulary: int
    positions: int
    pad: int
    backbone: Skeleton
    language: Skeleton | None

    def to_json(self) -> Json:
        """Canonical form."""
        return {
            "version": VERSION,
            "architecture": self.architecture,
            "decoder": self.decoder,
            "hidden_size": self.hidden_size,
            "layers": self.layers,
            "heads": self.heads,
            "vocabulary": self.vocabulary,
            "positions": self.positions,
            "pad": self.pad,
            "backbone": self.backbone.to_json(),
            "language": None if self.language is None else self.language.to_json(),
        }

    @classmethod
    def from_json(cls, value: Json) -> Description:
        """Inverse of `to_json`. Raises KeyError, TypeError or ValueError on anything else."""
        if value["version"] != VERSION:
            raise ValueError(value["version"])
        return cls(
            architecture=str(value["architecture"]),
            decoder=bool(value["decoder"]),
            hidden_size=int(value["hidden_size"]),
            layers=int(value["layers"]),
            heads=int(value["heads"]),
            vocabulary=int(value["vocabulary"]),
            positions=int(value["positions"]),
            pad=int(value["pad"]),
            backbone=Skeleton.from_json(value["backbone"]),
            language=None if value["language"] is None else Skeleton.from_json(value["language"]),
        )
