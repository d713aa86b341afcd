"""What a pick's model takes and gives, in words for its card."""

from __future__ import annotations

from collections.abc import Sequence

from autoglm_core.schema import Schema
from autoglm_core.tasks_schema import TasksSchema
from autoglm_core.text_schema import TextSchema
from autoglm_core.text_target import TagColumn

SHOWN = 20
"""Names in a row."""
TOKENS = (
    "Feed it the token numbers that `tokenizer.json` beside it gives, `(rows, tokens)`, padded at the end; the mask is "
    "computed inside. How its logits are decoded stands in its metadata under `autoglm.notes`."
)


def outputs_of(schema: Schema) -> str:
    """Sentences on outputs and inputs."""
    if isinstance(schema, TasksSchema):
        parts = "; ".join(f"`{name}`: {_text_outputs(own)}" for name, own in schema)
        return f"It gives the logits of {len(schema.tasks)} tasks side by side, in this order: {parts}. {TOKENS}"
    if isinstance(schema, TextSchema):
        return f"It gives {_text_outputs(schema)}. {TOKENS}"
    return (
        f"It gives {_classes(schema.class_names)}. Normalisation is part of the model: feed it values as the study's "
        "schema declares them, not normalised ones."
    )


def _text_outputs(schema: TextSchema) -> str:
    if isinstance(schema.target, TagColumn):
        return f"one logit per token and tag, for spans of {_listed(schema.target.entities)}"
    return _classes(schema.class_names) if schema.class_names else "one logit per token and word of the vocabulary"


def _classes(names: Sequence[str]) -> str:
    return f"one logit per class, in this order: {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(f"`{name}`" for name in names[:SHOWN]) + more
