"""What cards say of a model's outputs and inputs."""

from __future__ import annotations

import pytest

from autoglm_coordinator.report.outputs import outputs_of
from autoglm_core.schema import ImageSchema, Schema
from support.text_cases import ANSWERED, BOTH, LABELLED, PLAIN, TAGGED

IMAGES = ImageSchema(
    height=8, width=8, channels=1, scale=16.0, classes=tuple(f"class-{number}" for number in range(25))
)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (IMAGES, "one logit per class, in this order: `class-0`, `class-1`"),
        (IMAGES, "`class-19` and 5 more. Normalisation is part of the model"),
        (LABELLED, "one logit per class, in this order: `red`, `green`, `blue`. Feed it the token numbers"),
        (TAGGED, "one logit per token and tag, for spans of `animal`, `place`. Feed it the token numbers"),
        (PLAIN, "one logit per token and word of the vocabulary. Feed it"),
        (ANSWERED, "one logit per token and word of the vocabulary. Feed it"),
        (BOTH, "2 tasks side by side, in this order: `entities`: one logit per token and tag"),
        (BOTH, "; `intent`: one logit per class, in this order: `red`, `green`, `blue`. Feed it"),
    ],
)
def test_a_card_says_what_the_model_takes_and_gives(schema: Schema, said: str) -> None:
    assert said in outputs_of(schema)
