"""The next token, for every token: language models.

The texts of a split are joined, start and end tokens between two of them, and cut into rows of `max_length` tokens:
without it a corpus of short lines would train mostly on padding. Joining is done within a split and within a site, so
no validation text is read in training, and none leaves its site.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import CounterField, CounterLayout, Counters
from autoglm_core.measurement import Measurement, Split
from autoglm_core.study_error import StudyError
from autoglm_core.text_schema import TextSchema
from autoglm_core.workload import Vector
from autoglm_workloads.splitting import SplitRows
from autoglm_workloads.text import language_counts
from autoglm_workloads.text.batching import row_logits
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.tasks.api import Lesson, Names, Predictor, Prepared
from autoglm_workloads.text.tasks.single import SingleTask
from autoglm_workloads.text.tokens import LEFT_OUT, Ids

if TYPE_CHECKING:
    from torch import Tensor

    from autoglm_core.study import Study
    from autoglm_workloads.models.description import Description
    from autoglm_workloads.text.data.rows import TextRows
    from autoglm_workloads.text.network import Network
    from autoglm_workloads.text.tokens import Tokens
    from autoglm_workloads.text.training.job import Loss
    from autoglm_workloads.text.training.options import TextOptions

PROBE_ROWS = 100.0
BATCH = 16
"""Rows whose logits over the whole vocabulary lie in memory together."""


@dataclass(frozen=True)
class LanguageModelling(SingleTask):
    """The model's own output layer."""

    name: str = "causal-lm"

    def names(self, study: Study) -> Names:
        """Metrics of a language model."""
        return Names(language_counts.METRICS)

    def check(self, study: Study) -> None:
        """Texts without a target."""
        schema = study.schema
        if not isinstance(schema, TextSchema) or schema.target is not None or schema.pair is not None:
            raise StudyError(("schema",), "causal-lm needs a text schema without label, tags, reference and pair")

    def check_values(self, study: Study, tune: Values, deploy: Values) -> None:
        """There are none of its own."""

    def head(self, study: Study, tune: Values, description: Description) -> HeadSpec:
        """A logit for each token of the vocabulary."""
        return HeadSpec("language", description.vocabulary)

    def prepare(self, rows: TextRows, tokens: Tokens, study: Study) -> Prepared:
        """Rows of `max_length` tokens; the splits are of these."""
        encoded = tokens.plain(rows.texts)
        pieces: list[Ids] = []
        parts = []
        for split in (Split.TRAIN, Split.VALIDATION, Split.TEST):
            texts = [encoded[row] for row in rows.splits.of(split)]
            cut = windows(texts, tokens.max_length, starts=tokens.starts, ends=tokens.ends)
            parts.append(np.arange(len(pieces), len(pieces) + len(cut)))
            pieces += cut
        counted = {**rows.quality.counters(), "cut": np.array(0.0)}
        return Prepared(tuple(pieces), None, SplitRows(*parts), counted, tokens)

    def constants_layout(self, study: Study) -> CounterLayout:
        """Rows, all of one class, and their tokens."""
        return CounterLayout((CounterField("rows"), CounterField("classes", (1,)), CounterField("tokens")))

    def constants(self, data: Prepared, study: Study) -> Counters:
        """Of the training rows."""
        rows = np.array(float(data.splits.train.size))
        tokens = float(data.lengths[data.splits.train].sum())
        return {"rows": rows, "classes": rows[None], "tokens": np.array(tokens)}

    def probe_constants(self, study: Study) -> Counters:
        """A site's."""
        rows = np.array(PROBE_ROWS)
        return {"rows": rows, "classes": rows[None], "tokens": rows}

    def lesson(self, data: Prepared, study: Study, tune: Values, options: TextOptions, constants: Counters) -> Lesson:
        """Cross-entropy of each token but the first."""

        def loss(network: Network, ids: Tensor, lengths: Tensor) -> Loss:
            import torch

            from autoglm_workloads.text.training.losses import token_loss

            places = torch.arange(ids.shape[1], device=ids.device)
            labels = torch.where(places < lengths[:, None], ids, LEFT_OUT)
            return token_loss(network(ids, self.head_name)[:, :-1], labels[:, 1:], options)

        return Lesson(lambda rows: data.lengths[rows], loss)

    def evaluation_layout(self, study: Study) -> CounterLayout:
        """Losses and tokens."""
        return language_counts.layout()

    def count(self, predictor: Predictor, data: Prepared, study: Study, split: Split) -> Counters:
        """Language counters."""
        return language_counts.count(language_sums(predictor, data, split))

    def score(self, counters: Counters, split: Split) -> dict[str, Measurement]:
        """Loss, perplexity and their relatives."""
        return language_counts.score(counters, split)

    def notes(self, study: Study, configuration: Configuration, tensors: Mapping[str, Vector]) -> Json:
        """The logits decide alone."""
        return {}


def windows(texts: Sequence[Ids], length: int, *, starts: Ids, ends: Sequence[int]) -> list[Ids]:
    """The texts joined, each between the model's start tokens and an end token, in pieces of `length` tokens.

    The last piece is shorter; one of a single token predicts nothing and is left out.
    """
    end = np.array(ends[:1], np.int64)
    stream = np.concatenate([np.zeros(0, np.int64), *(np.concatenate([starts, text, end]) for text in texts)])
    pieces = [stream[start : start + length] for start in range(0, stream.size, length)]
    return [piece for piece in pieces if piece.size > 1]


def language_sums(predictor: Predictor, data: Prepared, split: Split) -> language_counts.Floats:
    """`language_counts.row_sums` of every row of `split`, `(rows, 3)`."""
    sums = [
        language_counts.row_sums(logits[None], ids[None], np.array([ids.size]))
        for _, ids, logits in row_logits(predictor.logits, data, split, batch=BATCH)
    ]
    return np.concatenate([np.zeros((0, 3)), *sums])
