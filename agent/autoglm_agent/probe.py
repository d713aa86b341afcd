"""PROBE on a device: fetch the shapes, measure all of them in one lease, seal the figures for the study key."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoglm_agent.admission import approved_study
from autoglm_agent.children import Children
from autoglm_agent.config import DeviceConfig
from autoglm_agent.incoming import ProbeOffered
from autoglm_agent.ledger import Ledger
from autoglm_agent.line import Line
from autoglm_agent.outgoing import AnswerProbe, SealedMetrics
from autoglm_core.canonical import Json, canonical_json
from autoglm_core.codes import RefusalCode, RefusedWith
from autoglm_core.privacy.keys import SiteKey

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ARTIFACTS = 256
_FILES = ("artifact", "inputs", "outputs")


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
    blobs = [await tools.line.fetch(name, study=study) for name in names]
    meta = {**manifest, "artifacts": names, "watts": tools.device.watts, "meter": tools.device.meter}
    reply = await tools.children.of_device().call("measure", meta, blobs, timeout=seconds)
    return AnswerProbe(offer.task, await asyncio.to_thread(_seal, reply.meta, tools, study_key))


def read_manifest(data: bytes) -> Json:
    """The fields that a probe may have, and no others: none of them reaches into the agent's own.

    Raises:
        RefusedWith: `bad-manifest`.
    """
    try:
        value = json.loads(data)
        return {"items": value["items"], "reference": value["reference"], "seconds": float(value["seconds"])}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RefusedWith(RefusalCode.BAD_MANIFEST) from None


def artifacts(manifest: Json) -> list[str]:
    """SHA-256 of each file that the items need, once.

    Raises:
        RefusedWith: `bad-manifest`.
    """
    try:
        entries: Sequence[Json] = [*manifest["items"], manifest["reference"]]
        names = list(dict.fromkeys(str(entry[name]) for entry in entries for name in _FILES))
    except (KeyError, TypeError):
        raise RefusedWith(RefusalCode.BAD_MANIFEST) from None
    if len(names) > MOST_ARTIFACTS:
        raise RefusedWith(RefusalCode.BAD_MANIFEST)
    return names


def _seal(figures: Json, tools: DeviceTools, study_key: bytes) -> SealedMetrics:
    from autoglm_core.privacy.sealing import seal

    clear = canonical_json(figures)
    return SealedMetrics(seal(study_key, clear, context=tools.agent_id.encode(), signer=tools.key))
