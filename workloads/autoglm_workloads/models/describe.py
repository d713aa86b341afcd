"""Build a model of a folder without its weights, check the weights against it, and describe it. Imports torch.

Runs in a child of its own (`models/tasks.py`): transformers reads a folder that somebody else wrote, and a daemon
stays without frameworks. On the `meta` device nothing is read but names and shapes, so a model of any size takes
seconds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from autoglm_workloads.models.description import Description
from autoglm_workloads.models.errors import BadModelConfig, OddFile, TokenizerUnfit, UnknownArchitecture, WeightsUnfit
from autoglm_workloads.models.files import CONFIG, TOKENIZER, read_json
from autoglm_workloads.models.loading import arguments, automatic, quiet
from autoglm_workloads.models.skeleton import blocks_of, skeleton_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from torch import nn

_DIGITS = re.compile(r"\d+")


def describe(folder: Path) -> Description:
    """Check the model in `folder`, whose files `model_files` has looked at, and describe it.

    Raises:
        UnfitModel: transformers does not know it, its tokenizer or weights do not fit, or it has no bound of length.
    """
    with quiet():
        config = _config(folder)
        backbone = _checked(folder, language=False)
        decoder = _is_decoder(config)
        language = _language(folder) if decoder else None
    embedding = backbone.get_input_embeddings()
    vocabulary = int(embedding.weight.shape[0])
    _check_tokenizer(folder, vocabulary)
    return Description(
        architecture=str(config.model_type),
        decoder=decoder,
        hidden_size=int(config.hidden_size),
        layers=len(blocks_of(backbone)[1]),
        heads=int(config.num_attention_heads),
        vocabulary=vocabulary,
        positions=_positions(config, backbone),
        pad=_pad(folder, config, vocabulary),
        backbone=skeleton_of(backbone),
        language=None if language is None else skeleton_of(language),
    )


def _config(folder: Path) -> Any:
    import transformers

    architecture = str(read_json(folder / CONFIG)["model_type"])
    if architecture not in transformers.CONFIG_MAPPING:
        raise UnknownArchitecture(architecture=architecture, installed=transformers.__version__)
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a strict class of its own for every field that may be wrong
        raise BadModelConfig(reason=f"transformers refuses it ({type(error).__name__})") from None
    if type(config) not in transformers.AutoModel._model_mapping:
        raise UnknownArchitecture(architecture=architecture, installed=transformers.__version__)
    sizes = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
    if config.is_encoder_decoder or not all(isinstance(getattr(config, name, None), int) for name in sizes):
        raise BadModelConfig(reason=f"{architecture} is neither an encoder nor a decoder of attention blocks alone")
    return config


def _checked(folder: Path, *, language: bool) -> nn.Module:
    """The model without its weights, once they are known to be its own."""
    try:
        module, report = automatic(language).from_pretrained(
            folder,
            **arguments(folder, language=language),
            device_map="meta",
            ignore_mismatched_sizes=True,  # they are refused below, with their names
            output_loading_info=True,
        )
    except Exception as error:
        raise BadModelConfig(reason=f"transformers cannot build it ({type(error).__name__})") from None
    mismatched = [entry if isinstance(entry, str) else entry[0] for entry in report["mismatched_keys"]]
    _refuse("shape", mismatched)
    _refuse("missing", report["missing_keys"])
    # Heads of another task and old buffers stay behind; a layer that config.json does not count is a mistake.
    pattern = {_DIGITS.sub("#", name) for name, _ in module.named_parameters()}
    prefix = f"{module.base_model_prefix}."
    surplus = [name for name in report["unexpected_keys"] if _DIGITS.sub("#", name.removeprefix(prefix)) in pattern]
    _refuse("unexpected", surplus)
    built: nn.Module = module
    return built


def _refuse(reason: str, names: Iterable[str]) -> None:
    found = sorted(names)
    if found:
        raise WeightsUnfit(reason=reason, tensor=found[0][:96], count=len(found))


def _is_decoder(config: Any) -> bool:
    """Causal by its class, or told to be: BERT and its like have a causal class, but read both ways by default."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    causal = type(config) in AutoModelForCausalLM._model_mapping
    return causal and (type(config) not in AutoModelForMaskedLM._model_mapping or bool(config.is_decoder))


def _language(folder: Path) -> nn.Module | None:
    """With its head; None where the weights are a backbone's alone."""
    try:
        return _checked(folder, language=True)
    except WeightsUnfit as error:
        if error.data["reason"] != "missing" or error.data["count"] != 1:
            raise
        return None


def _check_tokenizer(folder: Path, vocabulary: int) -> None:
    from tokenizers import Tokenizer

    try:
        numbers = Tokenizer.from_file(str(folder / TOKENIZER)).get_vocab(with_added_tokens=True).values()
    except Exception:  # tokenizers raises plain Exception
        raise OddFile(file=TOKENIZER, reason="cannot be read by the tokenizers library") from None
    tokens = 1 + max(numbers, default=-1)
    if not 0 < tokens <= vocabulary:
        raise TokenizerUnfit(tokens=tokens, embeddings=vocabulary)


def _positions(config: Any, backbone: nn.Module) -> int:
    """Longest input. RoBERTa numbers positions from behind its padding token, so it has that many fewer."""
    bound = getattr(config, "max_position_embeddings", None)
    if not isinstance(bound, int) or bound < 1:
        raise BadModelConfig(reason="it names no max_position_embeddings, so the longest input is unknown")
    for name, module in backbone.named_modules():
        padding = getattr(module, "padding_idx", None)
        if name.endswith("position_embeddings") and padding is not None:
            return bound - int(padding) - 1
    return bound


def _pad(folder: Path, config: Any, vocabulary: int) -> int:
    """The configuration's, else the tokenizer's, else the token that ends a text: decoders often have no other."""
    end = (
        config.eos_token_id[0] if isinstance(config.eos_token_id, list) and config.eos_token_id else config.eos_token_id
    )
    for pad in (config.pad_token_id, _tokenizer_pad(folder), end):
        if isinstance(pad, int) and 0 <= pad < vocabulary:
            return pad
    raise BadModelConfig(reason="neither it nor the tokenizer names a token to pad with (pad_token_id)")


def _tokenizer_pad(folder: Path) -> int | None:
    from tokenizers import Tokenizer

    path = folder / "tokenizer_config.json"
    token = read_json(path).get("pad_token") if path.exists() else None
    word = token.get("content") if isinstance(token, dict) else token
    if not isinstance(word, str):
        return None
    found: int | None = Tokenizer.from_file(str(folder / TOKENIZER)).token_to_id(word)
    return found
