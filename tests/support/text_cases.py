"""A small study and small sites for each text workload, on a tiny model; its shelf is `shelf()`."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np

from autoglm_core.counters import Counters
from autoglm_core.objective import Direction
from autoglm_core.space import CategoricalParameter, SearchSpace
from autoglm_core.study import Study
from autoglm_core.tasks_schema import TasksSchema
from autoglm_core.text_schema import TextFormat, TextSchema
from autoglm_core.text_target import ReferenceColumn, TagColumn, TagScheme, TextLabel
from autoglm_workloads.models.shelf import ShelvedModel
from autoglm_workloads.wide_sums import joined_sum
from support.text_models import tiny
from support.workload_cases import Case

COLOURS, ANIMALS, PLACES = ("red", "green", "blue"), ("fox", "dog", "cat"), ("london", "paris", "new york")
TEXTS = (
    *(f"the {colour} {animal} lives in" for colour in COLOURS for animal in ANIMALS),
    *PLACES,
    "where does it live",
)
LABELLED = TextSchema(
    TextFormat.JSONL, target=TextLabel("label", tuple((colour, (colour,)) for colour in COLOURS)), split_column=None
)
TAGGED = TextSchema(TextFormat.JSONL, text="words", target=TagColumn("tags", TagScheme.BIO, ("animal", "place")))
PLAIN = TextSchema(TextFormat.JSONL)
ANSWERED = TextSchema(TextFormat.JSONL, text="question", target=ReferenceColumn("answer"))
BOTH = TasksSchema((("entities", TAGGED), ("intent", LABELLED)))
PARTS = {"entities": "token-classification", "intent": "text-classification"}


LOSS_UNITS = {"word_rows": 1, "token_rows": 1, "reference/token_rows": 1}


@cache
def shelf() -> Path:
    """A folder that lasts as long as the process."""
    return Path(_folder().name)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="shelf-")


@cache
def model(preset: str) -> ShelvedModel:
    """A tiny model of `preset` on `shelf()`."""
    return tiny(preset, shelf(), texts=TEXTS)


@dataclass(frozen=True)
class TextCase(Case):
    """A text workload on a tiny model of `preset`; `units`: counter of what its loss is per."""

    preset: str = field(default="bert", kw_only=True)

    @property
    def study(self) -> Study:
        """A valid study; the first length of an answer is the reference's."""
        options = {"content": model(self.preset).content, "max_length": 16}
        direction = Direction.MINIMIZE if self.metric == "loss" else Direction.MAXIMIZE
        objective = replace(super().study.objectives[0], direction=direction)
        lengths = (CategoricalParameter("max_new_tokens", (3, 4)),) if self.workload == "text-generation" else ()
        study = replace(super().study, model_options=options, objectives=(objective,))
        return replace(study, space=SearchSpace((), lengths))

    def units(self, counters: Counters) -> float:
        """Words, tokens or texts."""
        for name, place in LOSS_UNITS.items():
            if f"{name}_sums_coarse" in counters:
                return float(joined_sum(f"{name}_sums", counters)[place])
        if "intent/text-classification/rows" in counters:
            texts = float(counters["intent/text-classification/rows"])
            words = joined_sum("entities/token-classification/word_rows_sums", counters)[1]
            return texts + float(words)
        return super().units(counters)

    def write(self, folder: Path, seed: int) -> Path:
        """A site's file."""
        return self._write(folder, seed)

    def _write(self, folder: Path, seed: int) -> Path:
        generator = np.random.default_rng(seed)
        path = folder / (str(seed) if self.workload == "multi-task" else f"{seed}.jsonl")
        if self.workload != "multi-task":
            return self._write_rows(path, generator, self.workload, rows=60 + 10 * seed)
        path.mkdir(exist_ok=True)
        for name, workload in PARTS.items():
            self._write_rows(path / f"{name}.jsonl", generator, workload, rows=40 + 10 * seed)
        return path

    def _write_rows(self, path: Path, generator: np.random.Generator, workload: str, *, rows: int) -> Path:
        path.write_text("".join(json.dumps(self._row(generator, workload)) + "\n" for _ in range(rows)))
        return path

    def _row(self, generator: np.random.Generator, workload: str) -> dict[str, object]:
        colour, animal, place = (str(generator.choice(names)) for names in (COLOURS, ANIMALS, PLACES))
        text = f"the {colour} {animal} lives in {place} {generator.integers(1000)}"
        match workload:
            case "text-classification":
                return {"text": text, "label": colour}
            case "token-classification":
                words = ["the", colour, animal, "lives", "in", *place.split()]
                tags = ["O", "O", "B-animal", "O", "O", "B-place", *["I-place"] * (len(place.split()) - 1)]
                return {"words": [*words, str(generator.integers(1000))], "tags": [*tags, "O"]}
            case "causal-lm":
                return {"text": text}
            case _:
                return {"question": text, "answer": place}


PLAIN_AND_INT8 = ({"quantization": "none"}, {"quantization": "int8-dynamic"})
TEXT_CASES: dict[str, Case] = {
    "text-classification": TextCase(
        "text-classification", "tiny-bert", LABELLED, {"method": "lora", "learning_rate": 0.01}, PLAIN_AND_INT8
    ),
    "token-classification": TextCase(
        "token-classification",
        "tiny-bert",
        TAGGED,
        {"method": "full", "tags": "bioes", "crf": True, "learning_rate": 0.003},
        PLAIN_AND_INT8,
        metric="f1",
    ),
    "multi-task": TextCase(
        "multi-task",
        "tiny-bert",
        BOTH,
        {"method": "lora", "entities_tags": "bioes", "entities_crf": True, "learning_rate": 0.01},
        ({"quantization": "none"}, {"quantization": "int8-dynamic", "entities_constrained": False}),
        metric="entities_f1",
    ),
    "causal-lm": TextCase(
        "causal-lm",
        "tiny-glm4",
        PLAIN,
        {"method": "adapter", "learning_rate": 0.003},
        PLAIN_AND_INT8,
        metric="loss",
        preset="glm4",
    ),
    "text-generation": TextCase(
        "text-generation",
        "tiny-glm4",
        ANSWERED,
        {"method": "lora", "lora_averaging": "plain", "learning_rate": 0.003},
        ({"max_new_tokens": 3}, {"max_new_tokens": 3, "beams": 2}),
        metric="token_f1",
        preset="glm4",
    ),
}
