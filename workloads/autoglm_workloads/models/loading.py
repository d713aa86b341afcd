"""A model from the shelf as a torch module: offline, from safetensors, in transformers' own classes."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from autoglm_workloads.models.shelf import ShelvedModel


def load(model: ShelvedModel, *, language: bool, attention: Literal["eager"] | None = None) -> nn.Module:
    """The backbone, or with `language` the model with its language head: float32, on the CPU, in eval mode.

    The shelf has checked the files (`find`); here they are only read. `attention`: `eager` writes the products out,
    which some exporters need; None takes torch's fused one where the model's class has it. Both agree up to rounding.
    """
    import torch

    with quiet():
        module: nn.Module = automatic(language).from_pretrained(
            model.path,
            **arguments(model.path, language=language),
            attn_implementation=attention,
            dtype=torch.float32,
        )
    return module.eval()


def arguments(path: Path, *, language: bool) -> dict[str, Any]:
    """What every `from_pretrained` here is called with: this folder alone, no code, no pickles, no pooler."""
    from transformers import AutoConfig

    fixed: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
    config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    return fixed | backbone_arguments(config, language=language)


def backbone_arguments(config: Any, *, language: bool) -> dict[str, bool]:
    """`add_pooling_layer=False` where the class knows it: a pooler that nobody uses would only travel."""
    if language:
        return {}
    from transformers import AutoModel

    backbone = AutoModel._model_mapping[type(config)]
    known = "add_pooling_layer" in inspect.signature(backbone).parameters
    return {"add_pooling_layer": False} if known else {}


def automatic(language: bool) -> Any:
    """The class of transformers that chooses the model's own."""
    from transformers import AutoModel, AutoModelForCausalLM

    return AutoModelForCausalLM if language else AutoModel


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and reports of transformers: what is wrong with a model is said by typed errors."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
