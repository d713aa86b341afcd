"""What a task is called, and what a task of the secure sum works on.

Every effect carries a `TaskId`: a replay, a duplicate or a late answer names another sequence and has no effect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from autoglm_core.canonical import Json, canonical_json, digest, read_canonical
from autoglm_core.configuration import BadConfiguration, Configuration
from autoglm_core.encoding import Malformed
from autoglm_core.errors import InvalidInput
from autoglm_core.measurement import Split

FORMS = ("parameters", "onnx", "calibration")
MOST_ITEMS = 4095
"""As many as one frame to a child carries beside the constants."""
_HASH = re.compile(r"[0-9a-f]{64}")
_SEED = re.compile(r"(?:[0-9a-f]{2}){0,32}")
_ANY = re.compile(r".*", re.DOTALL)
_LARGEST = 2**63


@dataclass(frozen=True)
class TaskId:
    """`trial` is the TUNE key or shape key that the work belongs to; `sequence` rises over the life of a deployment."""

    study_id: str
    trial: str
    round: int
    attempt: int
    sequence: int


class BadManifest(InvalidInput):
    """A manifest is not of the agreed form."""

    code = "bad-manifest"

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"manifest refused: {reason}", reason=reason)


@dataclass(frozen=True)
class ManifestItem:
    """One model of a session: `key` prefixes its counters, `artifact` is its SHA-256.

    `form`: "parameters" (flat float32), "onnx" or "calibration" (ONNX with activations as outputs).
    """

    key: str
    artifact: str
    form: str
    configuration: Configuration

    def to_json(self) -> Json:
        """As plain JSON values."""
        return {
            "key": self.key,
            "artifact": self.artifact,
            "form": self.form,
            "configuration": self.configuration.to_json(),
        }


@dataclass(frozen=True)
class Manifest:
    """The inputs of a session; its SHA-256 stands in the session's spec.

    `constants`: the study's summed constants, encoded by the workload's constants layout, or None before they exist.
    `seed`: 64 hexadecimal digits; every site derives its own training seed from it and its site id.
    `counted`: for error feedback, else empty: by site the session (hexadecimal id) of this TUNE in which its vector
    counted last.
    """

    items: tuple[ManifestItem, ...]
    split: Split
    constants: tuple[int, ...] | None
    seed: str
    counted: Mapping[str, str] = field(default_factory=dict, hash=False)

    def encode(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(
            {
                "items": [item.to_json() for item in self.items],
                "split": str(self.split),
                "constants": None if self.constants is None else list(self.constants),
                "seed": self.seed,
                "counted": dict(self.counted),
            }
        )

    @property
    def hash(self) -> str:
        """SHA-256 of the encoded form."""
        return digest(self.encode())

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Inverse of `encode`, for bytes from the other side.

        Raises:
            BadManifest: not of this form.
        """
        try:
            value = _exactly(read_canonical(data, what="manifest"), "items", "split", "constants", "seed", "counted")
            if value["split"] not in tuple(Split):
                raise BadManifest(reason="unknown split")
            return cls(
                items=_items(value["items"]),
                split=Split(value["split"]),
                constants=_constants(value["constants"]),
                seed=_text(value["seed"], _SEED),
                counted=_counted(value["counted"]),
            )
        except (Malformed, BadConfiguration) as error:
            raise BadManifest(reason=error.message) from error


def _exactly(value: object, *names: str) -> Json:
    if not isinstance(value, dict) or value.keys() != set(names):
        raise BadManifest(reason=f"expected {', '.join(names)}")
    return value


def _items(entries: object) -> tuple[ManifestItem, ...]:
    if not isinstance(entries, list) or len(entries) > MOST_ITEMS:
        raise BadManifest(reason=f"expected a list of at most {MOST_ITEMS} items")
    return tuple(_item(entry) for entry in entries)


def _item(entry: object) -> ManifestItem:
    value = _exactly(entry, "key", "artifact", "form", "configuration")
    if value["form"] not in FORMS:
        raise BadManifest(reason="unknown form")
    return ManifestItem(
        _text(value["key"]),
        _text(value["artifact"], _HASH),
        value["form"],
        Configuration.from_json(value["configuration"]),
    )


def _constants(value: object) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(type(entry) is int and -_LARGEST <= entry < _LARGEST for entry in value):
        raise BadManifest(reason="a constant is no 64-bit integer")
    return tuple(value)


def _counted(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise BadManifest(reason="expected sessions by site")
    return {site: _text(session, _HASH) for site, session in value.items()}


def _text(value: object, form: re.Pattern[str] = _ANY) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise BadManifest(reason="a text is missing, or no hexadecimal")
    return value
