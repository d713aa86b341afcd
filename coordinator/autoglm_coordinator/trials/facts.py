"""What a device answered to a probe: sealed and signed over what it was asked, opened where it is used, kept sealed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoglm_coordinator.trials.figures import read_figures
from autoglm_core.measurement import Measurement, measurements_from_json
from autoglm_core.privacy.sealing import StudyKey, open_sealed

if TYPE_CHECKING:
    from autoglm_coordinator.store.api import Store
    from autoglm_core.canonical import Json


@dataclass(frozen=True)
class SealedFacts:
    """`sealed`: as the agent sent it; `context`: what it must be about (`probe_context`)."""

    agent_id: str
    context: bytes
    sealed: bytes

    async def open(self, keys: Sequence[str], *, store: Store, key: StudyKey) -> dict[str, dict[str, Measurement]]:
        """Measurements by shape, of the shapes `keys`.

        Raises:
            NotSealedForUs: it answers something else, or was changed.
            BadSignature: the device did not sign it.
            Malformed: it holds other things than were asked for.
        """
        signer = (await store.get_agent(self.agent_id)).site_key
        clear = open_sealed(key.private, self.sealed, context=self.context, signer=signer)
        entries = read_figures(clear, keys)
        return {name: measurements_from_json(entry["measurements"]) for name, entry in entries.items()}

    async def keep(self, store: Store) -> Json:
        """Store it; what `kept` finds it by."""
        return {
            "agent": self.agent_id,
            "context": self.context.hex(),
            "sealed": await store.put_artifact(self.sealed),
        }

    @classmethod
    async def kept(cls, value: Json, store: Store) -> SealedFacts:
        """What `keep` stored; raises as `Store.get_artifact`."""
        return cls(value["agent"], bytes.fromhex(value["context"]), await store.get_artifact(value["sealed"]))
