"""Models that are tuned: the coordinator keeps their weights, so a further variant of one costs no TUNE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoglm_core.trial import Observation, TrialState

if TYPE_CHECKING:
    from autoglm_core.configuration import Configuration


@dataclass(frozen=True)
class TunedModel:
    """`configuration`: one of its variants; `variants`: how many it has."""

    configuration: Configuration
    variants: int


def tuned_models(observations: Sequence[Observation], pending: Sequence[Configuration]) -> Mapping[str, TunedModel]:
    """By tune key: models of which a variant was completed and none is under way."""
    found: dict[str, Configuration] = {}
    counts: dict[str, int] = {}
    for entry in observations:
        key = entry.configuration.tune_key
        counts[key] = counts.get(key, 0) + 1
        if entry.state is TrialState.COMPLETED:
            found.setdefault(key, entry.configuration)
    busy = {configuration.tune_key for configuration in pending}
    return {key: TunedModel(first, counts[key]) for key, first in found.items() if key not in busy}
