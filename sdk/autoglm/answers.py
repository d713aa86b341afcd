"""What the coordinator answers to an operator, free of the wire's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Blame:
    """A site, by its name, broke the secure sum; `code` is one of `autoglm_core.privacy.blame`."""

    agent: str
    study_id: str
    purpose: str
    round: int
    code: str
    readmitted: bool


@dataclass(frozen=True)
class AgentLine:
    """An enrolled agent. `kind` is site or device; `fingerprint` is of its site key, empty for a device.

    `blames`: of all its life; one that stands keeps it out of every session.
    """

    id: str
    name: str
    kind: str
    connected: bool
    revoked: bool
    device_class: str
    data: tuple[str, ...]
    fingerprint: str
    roster_hash: str
    version: str
    blames: tuple[Blame, ...] = ()

    @property
    def barred(self) -> bool:
        """Whether no session takes it."""
        return any(not blame.readmitted for blame in self.blames)


@dataclass(frozen=True)
class RosterLine:
    """A site of a roster and whether it accepted that roster: its administrator, or unseen if `simulated`."""

    name: str
    fingerprint: str
    accepted: bool
    simulated: bool = False


@dataclass(frozen=True)
class RosterView:
    """A version of the roster; `threshold` is the number of sites whose shares unmask a sum."""

    hash: str
    version: int
    minimum_cohort: int
    threshold: int
    sites: tuple[RosterLine, ...]

    @property
    def accepted(self) -> bool:
        """Whether every site accepted it."""
        return bool(self.sites) and all(site.accepted for site in self.sites)


@dataclass(frozen=True)
class CheckLine:
    """A site's answer to a dry run: `code` is `ok`, or why it would refuse."""

    agent: str
    code: str
    schema_hash: str


@dataclass(frozen=True)
class SubmittedStudy:
    """A study that the coordinator took."""

    id: str
    hash: str


@dataclass(frozen=True)
class StudyLine:
    """A study, its state, and canonical JSON of the protection in force.

    `answers`: by agent whose yes is wanted, `ok`, why not, or empty where nothing is decided.
    """

    id: str
    name: str
    state: str
    approved: int
    wanted: int
    protection: str
    answers: Mapping[str, str] = field(default_factory=dict)
    blames: tuple[Blame, ...] = ()


@dataclass(frozen=True)
class Pick:
    """The files of one member of a front, by name: model.onnx, configuration.yaml, README.md, plots, tokenizer.json."""

    trial: int
    files: Mapping[str, bytes]
