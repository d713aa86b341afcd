"""What a task is called, and what a task of the secure sum works on.

Every effect carries a `TaskId`: a replay, a duplicate or a late answer names another sequence and has no effect.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from autoglm_core.canonical import Json, canonical_json, digest
from autoglm_core.configuration import Configuration
from autoglm_core.errors import InvalidInput
from autoglm_core.measurement import Split


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
    """

    items: tuple[ManifestItem, ...]
    split: Split
    constants: tuple[int, ...] | None
    seed: str

    def encode(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(
            {
                "items": [item.to_json() for item in self.items],
                "split": str(self.split),
                "constants": None if self.constants is None else list(self.constants),
                "seed": self.seed,
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
            value = json.loads(data)
            return cls(
                items=tuple(_item(entry) for entry in value["items"]),
                split=Split(value["split"]),
                constants=None if value["constants"] is None else tuple(int(entry) for entry in value["constants"]),
                seed=bytes.fromhex(value["seed"]).hex(),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BadManifest(reason=type(error).__name__) from error


def _item(value: Json) -> ManifestItem:
    if value["form"] not in ("parameters", "onnx", "calibration"):
        raise BadManifest(reason="unknown form")
    bytes.fromhex(value["artifact"])
    return ManifestItem(value["key"], value["artifact"], value["form"], Configuration.from_json(value["configuration"]))
