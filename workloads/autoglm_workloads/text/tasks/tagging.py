"""A tag for each word: named entities and other spans.

A site's tags are read as spans whatever the scheme of its file, so the scheme that a model is trained in (`tags: bio`
or `bioes`) is a parameter of `tune`. A word's tag is that of its first token; what is cut off at `max_length` counts as
predicted outside.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import CounterField, CounterLayout, Counters
from autoglm_core.measurement import Measurement, Split
from autoglm_core.study_error import StudyError
from autoglm_core.text_schema import TextSchema
from autoglm_core.text_target import TagColumn, TagScheme
from autoglm_core.workload import Vector
from autoglm_workloads.option_rules import SWITCH, one_of, updated
from autoglm_workloads.text import entity_counts
from autoglm_workloads.text.batching import row_logits
from autoglm_workloads.text.entity_counts import TaggedRow
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.tag_decoding import Transitions
from autoglm_workloads.text.tags import converted, tag_names
from autoglm_workloads.text.tasks.api import Lesson, Names, Predictor, Prepared
from autoglm_workloads.text.tasks.single import SingleTask
from autoglm_workloads.text.tokens import LEFT_OUT, Ids
from autoglm_workloads.text.training.class_weights import class_weights

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
CHAIN = ("between", "start", "end")


@dataclass(frozen=True)
class TagOptions:
    """`tags`: scheme that is trained in. `crf`: whether sequences of tags have scores (Lafferty et al. 2001).

    `constrained`: whether only sequences that the scheme allows come out; a matter of decoding alone.
    """

    tags: str = "bio"
    crf: bool = False
    constrained: bool = True

    @property
    def scheme(self) -> TagScheme:
        """Of the model's outputs."""
        return TagScheme(self.tags)


_RULES = {"tags": one_of(TagScheme.BIO, TagScheme.BIOES), "crf": SWITCH, "constrained": SWITCH}


def tag_options(tune: Values, deploy: Values | None = None) -> TagOptions:
    """From a configuration's two parts; raises `StudyError` where a value is none that can be."""
    tuned = updated(TagOptions(), tune, {name: _RULES[name] for name in ("tags", "crf")})
    return updated(tuned, deploy or {}, {"constrained": _RULES["constrained"]}, part="deploy")


@dataclass(frozen=True)
class TaggedWords:
    """Of each row: place of each kept word's first token, and the BIO tags of all words."""

    firsts: tuple[Ids, ...]
    tags: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Tagging(SingleTask):
    """One linear layer on the state of each token, with or without a CRF."""

    name: str = "token-classification"

    def names(self, study: Study) -> Names:
        """Scheme, CRF and constraints, and metrics of entities."""
        return Names(entity_counts.METRICS, ("tags", "crf"), ("constrained",))

    def check(self, study: Study) -> None:
        """A schema with tags."""
        _column(study)

    def check_values(self, study: Study, tune: Values, deploy: Values) -> None:
        """Scheme, CRF and constraints."""
        tag_options(tune, deploy)

    def head(self, study: Study, tune: Values, description: Description) -> HeadSpec:
        """A logit for each tag of the scheme."""
        options = tag_options(tune)
        return HeadSpec("tokens", len(_names(study, options.scheme)), crf=options.crf)

    def prepare(self, rows: TextRows, tokens: Tokens, study: Study) -> Prepared:
        """`targets`: `TaggedWords`."""
        encoded = tokens.words(rows.words or ())
        counted = {**rows.quality.counters(), "cut": np.array(float(encoded.cut))}
        return Prepared(encoded.ids, TaggedWords(encoded.firsts, rows.tags or ()), rows.splits, counted, tokens)

    def constants_layout(self, study: Study) -> CounterLayout:
        """Rows, all of one class, and words by tag in each scheme that may be trained in."""
        tags = tuple(
            CounterField(f"words_{scheme}", (len(_names(study, scheme)),))
            for scheme in (TagScheme.BIO, TagScheme.BIOES)
        )
        return CounterLayout((CounterField("rows"), CounterField("classes", (1,)), *tags))

    def constants(self, data: Prepared, study: Study) -> Counters:
        """Of the training rows; words that are cut off are not counted."""
        rows = data.splits.train
        size = float(rows.size)
        counts = {
            f"words_{scheme}": np.bincount(
                np.concatenate([np.zeros(0, np.int64), *(_gold(data, study, scheme, row)[1] for row in rows)]),
                minlength=len(_names(study, scheme)),
            ).astype(np.float64)
            for scheme in (TagScheme.BIO, TagScheme.BIOES)
        }
        return {"rows": np.array(size), "classes": np.array([size]), **counts}

    def probe_constants(self, study: Study) -> Counters:
        """Tags of equal frequency."""
        counts = {
            f"words_{scheme}": np.full(len(_names(study, scheme)), PROBE_ROWS)
            for scheme in (TagScheme.BIO, TagScheme.BIOES)
        }
        return {"rows": np.array(PROBE_ROWS), "classes": np.array([PROBE_ROWS]), **counts}

    def lesson(self, data: Prepared, study: Study, tune: Values, options: TextOptions, constants: Counters) -> Lesson:
        """Cross-entropy or focal loss of each word's tag; with a CRF the likelihood of the row's whole sequence."""
        tagged = tag_options(tune)
        counts = np.asarray(constants[f"words_{tagged.scheme}"])
        weights = class_weights(counts, options.class_weights)

        def targets(rows: NDArray[np.int64]) -> NDArray[np.int64]:
            found = np.full((rows.size, max(data.ids[row].size for row in rows)), LEFT_OUT, np.int64)
            for place, row in enumerate(rows):
                firsts, gold = _gold(data, study, tagged.scheme, int(row))
                found[place, firsts] = gold
            return found

        def loss(network: Network, ids: Tensor, labels: Tensor) -> Loss:
            import torch

            from autoglm_workloads.text.training.crf import chain_loss
            from autoglm_workloads.text.training.losses import token_loss

            logits = network(ids, self.head_name)
            if tagged.crf:
                return chain_loss(logits, labels, network.chain(self.head_name))
            scale = None if weights is None else torch.from_numpy(weights).to(ids.device)
            return token_loss(logits, labels, options, weights=scale)

        return Lesson(targets, loss)

    def evaluation_layout(self, study: Study) -> CounterLayout:
        """Right, invented and missed entities, losses, per-site F1."""
        return entity_counts.layout(_column(study).entities)

    def count(self, predictor: Predictor, data: Prepared, study: Study, split: Split) -> Counters:
        """Entity counters in the scheme that the model was trained in."""
        scheme = TagScheme(predictor.notes["scheme"])
        chain = predictor.notes["chain"]
        rows = (
            TaggedRow(logits[data.targets.firsts[row]], _numbers(data.targets.tags[row], study, scheme))
            for row, _, logits in row_logits(predictor.logits, data, split)
        )
        return entity_counts.count(
            rows,
            scheme=scheme,
            entities=_column(study).entities,
            crf=None if chain is None else _unpacked(chain, len(_names(study, scheme))),
            constrained=bool(predictor.notes["constrained"]),
        )

    def score(self, counters: Counters, split: Split) -> dict[str, Measurement]:
        """F1 and its relatives."""
        return entity_counts.score(counters, split)

    def units(self, counters: Counters) -> float:
        """Words that the loss is the mean over."""
        return entity_counts.word_count(counters)

    def notes(self, study: Study, configuration: Configuration, tensors: Mapping[str, Vector]) -> Json:
        """The scheme, the CRF's scores, and whether decoding is constrained."""
        options = tag_options(configuration.tune, configuration.deploy)
        chain = _packed([tensors[f"head.{self.head_name}.{part}"] for part in CHAIN]) if options.crf else None
        return {"scheme": str(options.scheme), "chain": chain, "constrained": options.constrained}


def _packed(parts: Sequence[Vector]) -> str:
    """A CRF's scores as text that is as long whatever they are: a variant's size must not depend on its weights."""
    return b64encode(b"".join(part.astype("<f4").tobytes() for part in parts)).decode()


def _unpacked(text: str, tags: int) -> Transitions:
    """Inverse of `_packed`, for `tags` tags."""
    scores = np.frombuffer(b64decode(text), "<f4").astype(np.float64)
    between, start, end = np.split(scores, [tags * tags, tags * (tags + 1)])
    return Transitions(between.reshape(tags, tags), start, end)


def _column(study: Study) -> TagColumn:
    if not isinstance(study.schema, TextSchema) or not isinstance(study.schema.target, TagColumn):
        raise StudyError(("schema",), "token-classification needs a text schema with tags")
    return study.schema.target


def _names(study: Study, scheme: TagScheme) -> tuple[str, ...]:
    return tag_names(scheme, _column(study).entities)


def _gold(data: Prepared, study: Study, scheme: TagScheme, row: int) -> tuple[Ids, Ids]:
    """Places and tag numbers of the words of `row` that are not cut off."""
    firsts = data.targets.firsts[row]
    return firsts, _numbers(data.targets.tags[row], study, scheme)[: firsts.size]


def _numbers(tags: tuple[str, ...], study: Study, scheme: TagScheme) -> Ids:
    names = _numbers_by_name(_names(study, scheme))
    return np.array([names[tag] for tag in converted(tags, TagScheme.BIO, scheme)], np.int64)


@cache
def _numbers_by_name(names: tuple[str, ...]) -> Mapping[str, int]:
    return {name: number for number, name in enumerate(names)}
