"""What every stage of one study needs, put together once when the study starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from autoglm_core.canonical import Json, json_digest
from autoglm_core.configuration import Values
from autoglm_core.privacy.roster import Roster
from autoglm_core.study import Study
from autoglm_core.workload import Workload

if TYPE_CHECKING:
    from autoglm_core.counters import Counters
    from autoglm_core.errors import AutoglmError


@dataclass
class Progress:
    """What an operator watches: where the study stands now. Derived, never stored.

    `waiting`: why nothing goes on. `stopping`: an operator wants the study to end, so nothing is worth waiting for.
    """

    stage: str = ""
    round: int = 0
    rounds: int = 0
    sites: int = 0
    waiting: AutoglmError | None = None
    stopping: bool = False


@dataclass(frozen=True)
class StudyContext:
    """A study with its roster, its approved agents and, once summed, its constants.

    `sites`: site ids whose administrators approved, sorted. `devices`: device class -> agent ids that approved.
    """

    study_id: str
    study: Study
    workload: Workload
    roster: Roster
    sites: tuple[str, ...]
    devices: dict[str, tuple[str, ...]]
    constants: tuple[int, ...] | None = None
    progress: Progress = field(default_factory=Progress)

    @property
    def study_json(self) -> Json:
        """The study in canonical form, for a child."""
        return self.study.to_json()

    def summed_constants(self) -> Counters:
        """The constants as named arrays."""
        layout = self.workload.model_side.constants_layout(self.study)
        return layout.decode(np.asarray(self.constants, dtype=np.int64))

    def tune_key(self, tune: Values) -> str:
        """Hash of all that a TUNE depends on: everything that can change its weights."""
        study = self.study
        return json_digest(
            {
                "kind": "TUNE",
                "workload": [self.workload.name, self.workload.version],
                "model": study.model,
                "options": study.model_options,
                "schema": study.schema.hash,
                "data": study.data,
                "split": study.to_json()["split"],
                "seed": study.seed,
                "rounds": study.rounds,
                "rungs": list(study.rungs),
                "protection": study.to_json()["protection"],
                "roster": self.roster.hash,
                "sites": list(self.sites),
                "constants": list(self.constants or ()),
                "tune": dict(tune),
            }
        )


def stage_key(kind: str, *parts: object) -> str:
    """Hash of all that one stage's result depends on."""
    return json_digest({"kind": kind, "parts": list(parts)})


def wanted_key(study_id: str) -> str:
    """Stage key of the agents whose yes a study asked for when it was submitted."""
    return stage_key("WANTED", study_id)


def cohort_key(study_id: str) -> str:
    """Stage key of the sites that a study has had since it began to run."""
    return stage_key("COHORT", study_id)


def distinct(values: Sequence[str]) -> list[str]:
    """`values` without repetitions, in order of first appearance."""
    return list(dict.fromkeys(values))
