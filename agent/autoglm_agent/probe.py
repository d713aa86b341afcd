"""PROBE on a device: fetch the shapes, measure all of them in one lease, seal the figures for the study key."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from autoglm_agent.admission import approved_study
from autoglm_agent.children import Children
from autoglm_agent.config import DeviceConfig
from autoglm_agent.download import Room
from autoglm_agent.incoming import ProbeOffered
from autoglm_agent.ledger import Ledger
from autoglm_agent.line import Line
from autoglm_agent.outgoing import AnswerProbe, SealedMetrics
from autoglm_core.canonical import Json, canonical_json, read_canonical
from autoglm_core.codes import RefusalCode, RefusedWith
from autoglm_core.encoding import Malformed
from autoglm_core.privacy.keys import SiteKey

MOST_ITEMS = 63
"""Models of one lease beside the reference."""
MOST_SECONDS = 60.0
MOST_THREADS = 256
MOST_AXES = 8
LARGEST_AXIS = 2**31
_FILES = ("artifact", "inputs", "outputs")
_INPUT_TYPES = ("float32", "int64")
_SHAPES = ("input_shape", "output_shape")
_ITEM = {"key": str, "threads": int, "input_type": str} | dict.fromkeys(_SHAPES, list) | dict.fromkeys(_FILES, str)
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class DeviceTools:
    """What every probe of a device works with."""

    agent_id: str
    key: SiteKey
    device: DeviceConfig
    ledger: Ledger
    line: Line
    children: Children


async def probe(offer: ProbeOffered, tools: DeviceTools, *, study_key: bytes) -> AnswerProbe:
    """Measure what `offer` lists, within its lease.

    Raises:
        RefusedWith: the study is not approved here, the manifest cannot be read, an artifact is not to be had.
        RemoteError, ChildDied, TaskTimedOut: measuring failed.
    """
    await asyncio.to_thread(approved_study, tools.ledger, offer.task.study_id)
    manifest = read_manifest(offer.manifest)
    names = artifacts(manifest)
    study, seconds = offer.task.study_id, offer.lease.total_seconds()
    # One after the other: several downloads at once would still be running threads when the measurement begins.
    room = Room()
    blobs = [await tools.line.fetch(name, study=study, room=room) for name in names]
    meta = {**manifest, "artifacts": names, "watts": tools.device.watts, "meter": tools.device.meter}
    reply = await tools.children.of_device().call("measure", meta, blobs, timeout=seconds)
    return AnswerProbe(offer.task, await asyncio.to_thread(_seal, reply.meta, offer, tools, study_key))


def read_manifest(data: bytes) -> Json:
    """The manifest of a probe: `items` and a `reference`, each of the fields that a probe needs, and `seconds`.

    None of its fields reaches into the agent's own.

    Raises:
        RefusedWith: `bad-manifest`.
    """
    try:
        value = read_canonical(data, what="probe manifest")
    except Malformed:
        raise RefusedWith(RefusalCode.BAD_MANIFEST) from None
    _require(isinstance(value, dict) and value.keys() == {"items", "reference", "seconds"})
    _require(isinstance(value["items"], list) and len(value["items"]) <= MOST_ITEMS)
    _require(type(value["seconds"]) is float and 0 < value["seconds"] <= MOST_SECONDS)
    for item in (*value["items"], value["reference"]):
        _require(isinstance(item, dict) and {name: type(entry) for name, entry in item.items()} == _ITEM)
        _require(all(_HASH.fullmatch(item[name]) for name in _FILES) and 0 < item["threads"] <= MOST_THREADS)
        _require(all(_is_shape(item[name]) for name in _SHAPES) and item["input_type"] in _INPUT_TYPES)
    return dict(value)


def _is_shape(sizes: list[object]) -> bool:
    return 0 < len(sizes) <= MOST_AXES and all(type(size) is int and 0 < size <= LARGEST_AXIS for size in sizes)


def _require(holds: bool) -> None:
    if not holds:
        raise RefusedWith(RefusalCode.BAD_MANIFEST)


def artifacts(manifest: Json) -> list[str]:
    """SHA-256 of each file that the items need, once."""
    return list(dict.fromkeys(entry[name] for entry in (*manifest["items"], manifest["reference"]) for name in _FILES))


def _seal(figures: Json, offer: ProbeOffered, tools: DeviceTools, study_key: bytes) -> SealedMetrics:
    from autoglm_core.privacy.sealing import probe_context, seal

    task = offer.task
    context = probe_context(
        agent_id=tools.agent_id, study_id=task.study_id, sequence=task.sequence, manifest=offer.manifest
    )
    return SealedMetrics(seal(study_key, canonical_json(figures), context=context, signer=tools.key))
