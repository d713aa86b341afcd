"""What a `tune` configuration says about the tuning method, with defaults for what it leaves out. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from autoglm_core.configuration import Values
from autoglm_workloads.option_rules import FRACTION, POSITIVE, WHOLE, one_of, updated


@dataclass(frozen=True)
class Method:
    """A tuning method with its sizes. What does not concern the chosen method is not read."""

    method: str = "lora"
    lora_rank: int = 8
    lora_alpha: float = 16.0
    """The update is scaled by alpha / rank, in rsLoRA by alpha / sqrt(rank)."""
    lora_dropout: float = 0.0
    """Share of a layer's inputs that LoRA's branch leaves out while training."""
    lora_targets: str = "attention"
    lora_variant: str = "plain"
    lora_averaging: str = "ffa"
    """`ffa`: A is drawn once from the study's seed and stays, so that averaging B averages the update itself.

    `plain`: A and B are trained and averaged each for itself, which is not the average of their products.
    """
    prompt_length: int = 16
    """Learned vectors of `prompt` and `prefix`."""
    adapter_size: int = 32
    """Width of a bottleneck."""
    adapter_after: str = "feed-forward"
    """Pfeiffer et al. place one bottleneck behind the feed-forward part; `all` is Houlsby et al.'s two."""

    def updated(self, tune: Values) -> Method:
        """With the values of `tune` that concern the method.

        Raises:
            StudyError: a value is of the wrong type or out of its range.
        """
        return updated(self, tune, _RULES)


METHODS = ("full", "head", "lora", "ia3", "prefix", "prompt", "adapter")
_PART = one_of("attention", "feed-forward", "all")
_RULES = {
    "method": one_of(*METHODS),
    "lora_rank": WHOLE,
    "lora_alpha": POSITIVE,
    "lora_dropout": FRACTION,
    "lora_targets": _PART,
    "lora_variant": one_of("plain", "rslora", "dora"),
    "lora_averaging": one_of("ffa", "plain"),
    "prompt_length": WHOLE,
    "adapter_size": WHOLE,
    "adapter_after": _PART,
}
METHOD_NAMES = tuple(_RULES)
