"""What an agent checks of an offered session before it draws a secret or touches its data.

The coordinator is not trusted with any of it: the study must be one that this site approved under the roster that it
accepted; spec, manifest and task must say the same; the configurations must lie inside the approved space; and the sum
must carry the workload's own counters of the split that belongs to its purpose, no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoglm_agent.config import AgentConfig
from autoglm_agent.errors import UnknownStudy
from autoglm_agent.incoming import SessionOffered
from autoglm_agent.ledger import Ledger, StudyEntry, StudyState
from autoglm_agent.policy import require_possible
from autoglm_agent.studies import installed_workload, read_study
from autoglm_compression.updates.error_feedback import feedback_in_force
from autoglm_compression.updates.pattern import lanes_for
from autoglm_core.canonical import canonical_json
from autoglm_core.codes import RefusalCode, RefusedWith
from autoglm_core.configuration import Configuration
from autoglm_core.measurement import Split
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_spec import Purpose, SessionSpec
from autoglm_core.session_counters import session_counters
from autoglm_core.study_error import OutsideSpace
from autoglm_core.task import BadManifest, Manifest, ManifestItem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoglm_core.privacy.site_events import RecordRelease
    from autoglm_core.study import Study
    from autoglm_core.workload import Workload

SPLITS = {
    Purpose.CONSTANTS: Split.TRAIN,
    Purpose.TRAIN: Split.TRAIN,
    Purpose.CALIBRATE: Split.TRAIN,
    Purpose.VALIDATE: Split.VALIDATION,
    Purpose.TEST: Split.TEST,
}
"""Which rows a purpose may touch."""
FORMS = {
    Purpose.CONSTANTS: frozenset[str](),
    Purpose.TRAIN: frozenset({"parameters"}),
    Purpose.CALIBRATE: frozenset({"calibration"}),
    Purpose.VALIDATE: frozenset({"parameters", "onnx"}),
    Purpose.TEST: frozenset({"parameters", "onnx"}),
}
"""Which inputs a purpose has; all of a session's inputs have one form."""
_STATE_CODES = {
    StudyState.OFFERED: RefusalCode.NOT_APPROVED,
    StudyState.ENDED: RefusalCode.NOT_APPROVED,
    StudyState.DENIED: RefusalCode.DENIED,
    StudyState.WITHDRAWN: RefusalCode.WITHDRAWN,
}


@dataclass(frozen=True)
class Admitted:
    """A session that this site may take part in, with everything that it needs."""

    spec: SessionSpec
    manifest: Manifest
    study: Study
    workload: Workload
    roster: Roster
    earlier: Sequence[RecordRelease]

    @property
    def allow_unmasked(self) -> bool:
        """Whether the study, as approved, has no secure sum."""
        return not self.study.protection.secure_sum


def approved_study(ledger: Ledger, study_id: str) -> StudyEntry:
    """The ledger's entry of a study that this site approved.

    Raises:
        RefusedWith: it did not, or no more.
    """
    try:
        entry = ledger.study(study_id)
    except UnknownStudy:
        raise RefusedWith(RefusalCode.NOT_APPROVED) from None
    if entry.state is not StudyState.APPROVED:
        raise RefusedWith(_STATE_CODES[entry.state])
    return entry


def admit(offer: SessionOffered, spec: SessionSpec, *, ledger: Ledger, config: AgentConfig) -> Admitted:
    """Check an offer whose spec was decoded; reads the ledger, changes nothing.

    Raises:
        RefusedWith: with the code that goes back.
    """
    entry = approved_study(ledger, spec.study_id)
    study = read_study(entry.body)
    require_possible(config, study)
    workload = installed_workload(study.workload, study.workload_version)
    pinned = ledger.accepted_roster(entry.roster_hash)
    _require(pinned is not None and spec.roster_hash == entry.roster_hash, RefusalCode.ROSTER_NOT_ACCEPTED)
    _require(spec.store_epoch >= ledger.store_epoch(), RefusalCode.OLD_EPOCH)
    _require(not ledger.session_used(spec.session_id), RefusalCode.SESSION_REUSED)
    _check_study(spec, entry, study, config)
    manifest = _manifest(offer, spec)
    _check_inputs(spec, manifest, study, workload)
    counters = session_counters(workload.model_side, study, spec.purpose, manifest)
    _require(spec.counters == canonical_json(counters.to_json()), RefusalCode.COUNTERS_WIDENED)
    roster = Roster.decode(b"" if pinned is None else pinned.body)
    return Admitted(spec, manifest, study, workload, roster, ledger.releases(spec.subjects, spec.purpose))


def _check_study(spec: SessionSpec, entry: StudyEntry, study: Study, config: AgentConfig) -> None:
    """The spec's protection is that of the study, and the site's own minimum holds on top."""
    protection = study.protection
    _require(spec.study_hash == entry.hash, RefusalCode.OUTSIDE_APPROVAL)
    _require(spec.workload == study.workload, RefusalCode.OUTSIDE_APPROVAL)
    _require(spec.workload_version == study.workload_version, RefusalCode.WORKLOAD_VERSION)
    _require(spec.masked == protection.secure_sum, RefusalCode.SECURE_SUM_OFF)
    _require(spec.ring_bits == protection.ring_bits and spec.clip == protection.clip, RefusalCode.OUTSIDE_APPROVAL)
    _require(spec.round <= study.rounds, RefusalCode.OUTSIDE_APPROVAL)
    if spec.masked:
        least = max(protection.minimum_cohort, config.policy.minimum_cohort)
        _require(spec.minimum_cohort >= least, RefusalCode.MINIMUM_COHORT)


def _manifest(offer: SessionOffered, spec: SessionSpec) -> Manifest:
    """The manifest, once it is the one that the spec names and the task is the spec's."""
    task = offer.task
    named = (task.study_id, task.trial, task.round, task.attempt)
    _require(named == (spec.study_id, spec.trial, spec.round, spec.attempt), RefusalCode.BAD_MANIFEST)
    try:
        manifest = Manifest.decode(offer.manifest)
    except BadManifest:
        raise RefusedWith(RefusalCode.BAD_MANIFEST) from None
    _require(manifest.hash == spec.manifest_hash, RefusalCode.BAD_MANIFEST)
    _require(spec.models == tuple(item.artifact for item in manifest.items), RefusalCode.BAD_MANIFEST)
    configurations = canonical_json([item.configuration.to_json() for item in manifest.items])
    _require(spec.configuration == configurations, RefusalCode.BAD_MANIFEST)
    _require(len({item.key for item in manifest.items}) == len(manifest.items), RefusalCode.BAD_MANIFEST)
    return manifest


def _check_inputs(spec: SessionSpec, manifest: Manifest, study: Study, workload: Workload) -> None:
    purpose, items = spec.purpose, manifest.items
    forms = {item.form for item in items}
    _require(forms <= FORMS[purpose] and len(forms) <= 1, RefusalCode.BAD_MANIFEST)
    _require(bool(items) == (purpose is not Purpose.CONSTANTS), RefusalCode.BAD_MANIFEST)
    _require(manifest.split is SPLITS[purpose], RefusalCode.BAD_MANIFEST)
    _require(len(bytes.fromhex(manifest.seed)) <= 32, RefusalCode.BAD_MANIFEST)
    for item in items:
        _check_configuration(item, study)
    if purpose is not Purpose.CONSTANTS:
        expected = workload.model_side.constants_layout(study).size
        _require(manifest.constants is not None and len(manifest.constants) == expected, RefusalCode.BAD_MANIFEST)
    dimension, feedback = 0, False
    if purpose is Purpose.TRAIN:
        _require(len(items) == 1, RefusalCode.BAD_MANIFEST)
        dimension = workload.model_side.layout(study, items[0].configuration.tune).size
        feedback = feedback_in_force(study.protection, dimension)
    lanes = lanes_for(dimension, study.protection.random_k)
    _require((spec.parameters, spec.dimension) == (lanes, dimension), RefusalCode.OUTSIDE_APPROVAL)
    _require(feedback or not manifest.counted, RefusalCode.BAD_MANIFEST)


def _check_configuration(item: ManifestItem, study: Study) -> None:
    try:
        if item.form == "parameters":
            check_tune(item.configuration, study)
        else:
            study.space.check(item.configuration)
    except OutsideSpace:
        raise RefusedWith(RefusalCode.OUTSIDE_APPROVAL) from None


def check_tune(configuration: Configuration, study: Study) -> None:
    """Raise `OutsideSpace` unless `configuration` is a whole `tune` part in the approved space, and nothing else."""
    names = {parameter.name for parameter in study.space.tune}
    constraints = tuple(entry for entry in study.space.constraints if names.issuperset(entry.names))
    type(study.space)(tune=study.space.tune, constraints=constraints).check(configuration)


def _require(holds: bool, code: RefusalCode) -> None:
    if not holds:
        raise RefusedWith(code)
