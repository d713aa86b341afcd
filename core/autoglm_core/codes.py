"""The closed list of words that an agent may say about why it did not do something.

Errors carry data; what leaves a site must not. An agent therefore answers with one of these codes and nothing else:
whatever a child, a library or the file system raised is mapped here, and what is not in the map is `internal`. The
text for people is chosen at the coordinator from the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from autoglm_core.errors import AutoglmError, InvalidInput, RemoteError


class RefusalCode(StrEnum):
    """Why an agent refused, failed or would ask. `HINTS` says what to change."""

    OK = "ok"
    WOULD_ASK = "would-ask"
    # the study and this site's administrator
    BAD_STUDY = "bad-study"
    UNKNOWN_WORKLOAD = "unknown-workload"
    WORKLOAD_VERSION = "workload-version"
    UNKNOWN_DATA = "unknown-data"
    UNKNOWN_DEVICE_CLASS = "unknown-device-class"
    MINIMUM_COHORT = "minimum-cohort"
    SECURE_SUM_OFF = "secure-sum-off"
    ROSTER_NOT_ACCEPTED = "roster-not-accepted"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    NOT_APPROVED = "not-approved"
    OUTSIDE_APPROVAL = "outside-approval"
    # the data
    DATA_MISSING = "data-missing"
    DATA_EMPTY = "data-empty"
    SCHEMA_MISMATCH = "schema-mismatch"
    # the model
    MODEL_MISSING = "model-missing"
    PACKAGE_MISSING = "package-missing"
    # the configuration
    UNSUPPORTED_PRECISION = "unsupported-precision"
    NO_CHECKPOINTING = "no-checkpointing"
    TEXT_TOO_LONG = "text-too-long"
    # the session
    OLD_EPOCH = "old-epoch"
    SESSION_REUSED = "session-reused"
    SPEC_REFUSED = "spec-refused"
    BAD_MANIFEST = "bad-manifest"
    COUNTERS_WIDENED = "counters-widened"
    ALREADY_RELEASED = "already-released"
    PROTOCOL_VIOLATION = "protocol-violation"
    BAD_SHARE = "bad-share"
    TOO_FEW_SITES = "too-few-sites"
    NON_FINITE = "non-finite"
    DIVERGED = "diverged"
    ARTIFACT_UNAVAILABLE = "artifact-unavailable"
    ARTIFACT_DAMAGED = "artifact-damaged"
    UPLOAD_FAILED = "upload-failed"
    # the machine
    OUT_OF_HOURS = "out-of-hours"
    MEMORY = "memory"
    DISK_FULL = "disk-full"
    CHILD_DIED = "child-died"
    TIMED_OUT = "timed-out"
    MEASUREMENT_FAILED = "measurement-failed"
    TOO_SLOW = "too-slow"
    BUSY = "busy"
    DRAINING = "draining"
    CANCELLED = "cancelled"
    LEASE_EXPIRED = "lease-expired"
    NEWER_PROTOCOL = "newer-protocol"
    INTERNAL = "internal"


_SEE_LOG = "look at that agent's log"
HINTS: Mapping[RefusalCode, str] = {
    RefusalCode.OK: "nothing to change",
    RefusalCode.WOULD_ASK: "its administrator runs `autoglm-agent approve`",
    RefusalCode.BAD_STUDY: "the study cannot be read there: install the same version on both sides",
    RefusalCode.UNKNOWN_WORKLOAD: "the workload is not installed there",
    RefusalCode.WORKLOAD_VERSION: "another version of the workload is installed there: install the same on both sides",
    RefusalCode.UNKNOWN_DATA: "its agent.toml declares no [data] of that name for that workload",
    RefusalCode.UNKNOWN_DEVICE_CLASS: "its agent.toml declares another [device] class",
    RefusalCode.MINIMUM_COHORT: "the study's minimum_cohort is below what its policy demands: raise it",
    RefusalCode.SECURE_SUM_OFF: "its policy lets nothing out unmasked: require the secure sum",
    RefusalCode.ROSTER_NOT_ACCEPTED: "its administrator runs `autoglm-agent roster accept`",
    RefusalCode.DENIED: "its administrator, or a rule of its policy, said no",
    RefusalCode.WITHDRAWN: "its administrator withdrew the approval",
    RefusalCode.NOT_APPROVED: "its administrator runs `autoglm-agent approve`",
    RefusalCode.OUTSIDE_APPROVAL: "the configuration lies outside of what was approved: submit a new study",
    RefusalCode.DATA_MISSING: "the data file cannot be opened there: run `autoglm-agent data check` there",
    RefusalCode.DATA_EMPTY: "the data file has no usable row: run `autoglm-agent data check` there",
    RefusalCode.SCHEMA_MISMATCH: "the data has another schema: run `autoglm-agent data check` there",
    RefusalCode.MODEL_MISSING: "the study's language model is not on its shelf: its administrator runs "
    "`autoglm-agent models fetch NAME@REVISION` as `autoglm-agent show` prints it, then `autoglm-agent approve`",
    RefusalCode.PACKAGE_MISSING: "a package that the study needs is not installed there: its administrator runs "
    "`pip install 'autoglm[train]'`",
    RefusalCode.UNSUPPORTED_PRECISION: "its device does not train in that precision: choose float32, or bfloat16 on a "
    "processor",
    RefusalCode.NO_CHECKPOINTING: "this model cannot train with checkpointing: leave it off and lower batch_size",
    RefusalCode.TEXT_TOO_LONG: "the model has no positions for max_length tokens: lower it in model.options",
    RefusalCode.OLD_EPOCH: "the coordinator runs from an older store than before: restore the newest",
    RefusalCode.SESSION_REUSED: "a session id was used twice: start a new session",
    RefusalCode.SPEC_REFUSED: "the session's protection is below what the accepted roster demands",
    RefusalCode.BAD_MANIFEST: "the session's inputs are not what its spec says",
    RefusalCode.COUNTERS_WIDENED: "the session asks for other counters than the workload's own",
    RefusalCode.ALREADY_RELEASED: "shares for this model went out before, over other survivors: it cannot be repeated",
    RefusalCode.PROTOCOL_VIOLATION: "a message of the secure sum broke the protocol: a new session may pass",
    RefusalCode.BAD_SHARE: "a site dealt it a wrong share: its log names the site",
    RefusalCode.TOO_FEW_SITES: "too few sites stayed: start the missing agents",
    RefusalCode.NON_FINITE: "the update holds NaN or infinity: lower learning_rate",
    RefusalCode.DIVERGED: "training left the finite numbers: lower learning_rate or momentum",
    RefusalCode.ARTIFACT_UNAVAILABLE: "a file of the task could not be fetched",
    RefusalCode.ARTIFACT_DAMAGED: "a file of the task is not what its hash says",
    RefusalCode.UPLOAD_FAILED: "the masked vector could not be delivered",
    RefusalCode.OUT_OF_HOURS: "its [limits] hours are over; it takes part again later",
    RefusalCode.MEMORY: "more memory than its [limits] memory_gb or its device has: raise it, or lower batch_size",
    RefusalCode.DISK_FULL: "its disk is full",
    RefusalCode.CHILD_DIED: "the training process ended; " + _SEE_LOG,
    RefusalCode.TIMED_OUT: "the task took longer than it may: give that site less to read, or more processor",
    RefusalCode.MEASUREMENT_FAILED: "the model could not be measured there; " + _SEE_LOG,
    RefusalCode.TOO_SLOW: "the model is too slow there to be measured: choose a smaller model or a shorter input",
    RefusalCode.BUSY: "it works on another task",
    RefusalCode.DRAINING: "it is being stopped",
    RefusalCode.CANCELLED: "the task was cancelled",
    RefusalCode.LEASE_EXPIRED: "the task took longer than its lease",
    RefusalCode.NEWER_PROTOCOL: "install matching versions on both sides",
    RefusalCode.INTERNAL: "a defect; " + _SEE_LOG,
}

_BY_ERROR: Mapping[str, RefusalCode] = {
    "unfit-study": RefusalCode.BAD_STUDY,
    "study-error": RefusalCode.BAD_STUDY,
    "unknown-workload": RefusalCode.UNKNOWN_WORKLOAD,
    "outside-space": RefusalCode.OUTSIDE_APPROVAL,
    "data-missing": RefusalCode.DATA_MISSING,
    "data-empty": RefusalCode.DATA_EMPTY,
    "data-mismatch": RefusalCode.SCHEMA_MISMATCH,
    "data-unusable": RefusalCode.SCHEMA_MISMATCH,
    "reader-missing": RefusalCode.PACKAGE_MISSING,
    "models-not-installed": RefusalCode.PACKAGE_MISSING,
    "wrong-length": RefusalCode.BAD_MANIFEST,
    "wrong-blobs": RefusalCode.BAD_MANIFEST,
    "malformed": RefusalCode.PROTOCOL_VIOLATION,
    "spec-refused": RefusalCode.SPEC_REFUSED,
    "bad-layout": RefusalCode.SPEC_REFUSED,
    "bad-roster": RefusalCode.ROSTER_NOT_ACCEPTED,
    "unmask-incomplete": RefusalCode.ALREADY_RELEASED,
    "too-few-sites": RefusalCode.TOO_FEW_SITES,
    "too-few-signatures": RefusalCode.TOO_FEW_SITES,
    "illegal-event": RefusalCode.PROTOCOL_VIOLATION,
    "session-refused": RefusalCode.PROTOCOL_VIOLATION,
    "wrong-session": RefusalCode.PROTOCOL_VIOLATION,
    "bad-signature": RefusalCode.PROTOCOL_VIOLATION,
    "bad-key": RefusalCode.PROTOCOL_VIOLATION,
    "unknown-site": RefusalCode.PROTOCOL_VIOLATION,
    "duplicate-site": RefusalCode.PROTOCOL_VIOLATION,
    "wrong-sender": RefusalCode.PROTOCOL_VIOLATION,
    "duplicate-message": RefusalCode.PROTOCOL_VIOLATION,
    "advert-changed": RefusalCode.PROTOCOL_VIOLATION,
    "listed-dropped": RefusalCode.PROTOCOL_VIOLATION,
    "survivors-changed": RefusalCode.PROTOCOL_VIOLATION,
    "bad-share": RefusalCode.BAD_SHARE,
    "bad-dealer": RefusalCode.PROTOCOL_VIOLATION,
    "non-finite-update": RefusalCode.NON_FINITE,
    "diverged-training": RefusalCode.DIVERGED,
    "child-died": RefusalCode.CHILD_DIED,
    "task-timed-out": RefusalCode.TIMED_OUT,
    "child-out-of-memory": RefusalCode.MEMORY,
    "training-out-of-memory": RefusalCode.MEMORY,
    "bad-outputs": RefusalCode.MEASUREMENT_FAILED,
    "too-few-samples": RefusalCode.TOO_SLOW,
    "bad-measure-task": RefusalCode.BAD_MANIFEST,
    "external-data": RefusalCode.BAD_MANIFEST,
    "bad-model": RefusalCode.BAD_MANIFEST,
    "model-damaged": RefusalCode.MODEL_MISSING,
    "other-modules": RefusalCode.WORKLOAD_VERSION,
    "meter-unavailable": RefusalCode.MEASUREMENT_FAILED,
    "unknown-meter": RefusalCode.MEASUREMENT_FAILED,
}


class RefusedWith(InvalidInput):
    """An agent's own decision not to go on, with the code that it will say."""

    code = "refused"

    def __init__(self, reason: RefusalCode) -> None:
        super().__init__(f"{reason}: {HINTS[reason]}", reason=str(reason))
        self.reason = reason


def code_of(word: str) -> RefusalCode:
    """The refusal code for an error's `code`; a refusal code stands for itself, anything unknown is `internal`."""
    if word in _BY_ERROR:
        return _BY_ERROR[word]
    return RefusalCode(word) if word in set(RefusalCode) else RefusalCode.INTERNAL


def refusal_of(error: BaseException) -> RefusalCode:
    """The one word that may leave a site about `error`."""
    match error:
        case RefusedWith():
            return error.reason
        case RemoteError():
            return code_of(error.remote_code)
        case AutoglmError():
            return code_of(error.code)
        case MemoryError():
            return RefusalCode.MEMORY
        case TimeoutError():
            return RefusalCode.TIMED_OUT
        case _:
            return RefusalCode.INTERNAL
