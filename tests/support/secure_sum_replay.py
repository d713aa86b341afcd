"""Our own halves of the secure sum, fed from a file of docs/vectors/secure-sum and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from autoglm_compression.updates.error_feedback import compress
from autoglm_core.privacy import coordinator_events as at_coordinator
from autoglm_core.privacy import site_events as at_site
from autoglm_core.privacy.coordinator_session import CoordinatorSession, Phase
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.ring import quantize, rounding_key
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.site_session import SiteSession
from autoglm_core.privacy.vectors import ClearVector, MaskedVector

Said = tuple[int, str, bytes, bytes, bytes]
"""Kind, speaker or recipient, body, signature, image."""
PHASE_OF = {
    MessageKind.ADVERT: Phase.ADVERTISE,
    MessageKind.SHARES: Phase.SHARE,
    MessageKind.MASKED: Phase.MASK,
    MessageKind.SURVIVOR_SIGNATURE: Phase.CONSISTENCY,
    MessageKind.UNMASK: Phase.UNMASK,
}


class Replay:
    """One session file."""

    def __init__(self, vector: Any) -> None:
        self.vector = vector
        self.roster = Roster.decode(bytes.fromhex(vector["roster"]["bytes"]))
        self.spec = SessionSpec.decode(bytes.fromhex(vector["spec"]["bytes"]))

    def site(self, site_id: str, *, spec: SessionSpec | None = None, lowest_epoch: int = 0) -> SiteSession:
        """A site that draws the file's entropy; every draw must have the size that the file says."""
        own = self.vector["sites"][site_id]
        draws = (bytes.fromhex(draw) for draw in own["entropy"])

        def entropy(size: int) -> bytes:
            draw = next(draws)
            assert len(draw) == size
            return draw

        return SiteSession(
            spec or self.spec,
            self.roster,
            site_id,
            SiteKey.from_bytes(bytes.fromhex(own["site_key"])),
            entropy=entropy,
            allow_unmasked=not self.spec.masked,
            lowest_epoch=lowest_epoch,
        )

    def input(self, site_id: str) -> ClearVector:
        """The site's own vector, from its delta, its residual and its counters."""
        spec, own = self.spec, self.vector["sites"][site_id]
        delta, key = _floats(own["delta"]), rounding_key(bytes.fromhex(own["site_secret"]), spec)
        if "residual" in own:
            sent = compress(delta, _floats(own["residual"]), weight=own["weight"], spec=spec)
            assert sent.residual.tobytes().hex() == own["residual_after"]
            body, clipped = sent.body, sent.clipped
        else:
            body, clipped = quantize(delta, weight=own["weight"], spec=spec, rounding_key=key)
        counters = {**own["counters"], "weight": own["weight"], "clipped": clipped}
        tail = spec.counter_layout.encode({name: np.asarray(value, np.float64) for name, value in counters.items()})
        return ClearVector(body=body, tail=tail.view(np.uint64))

    def shown_to(self, site_id: str) -> Iterator[Message]:
        """What the coordinator sent to a site, in order."""
        return (_message(said) for said in self.vector["messages"] if site_id in said.get("to", ()))

    def said_by(self, site_id: str) -> list[Said]:
        """What a site says if it is started, given its input, and shown what the file says; silent or not."""
        session = self.site(site_id)
        events: list[at_site.SiteEvent] = [at_site.Start(), at_site.InputReady(self.input(site_id))]
        said: list[Said] = []
        for event in (*events, *map(at_site.Received, self.shown_to(site_id))):
            for instruction in session.handle(event):
                match instruction:
                    case at_site.Send(message=message):
                        said.append(_said(site_id, message))
                    case at_site.UploadMasked(vector=vector, message=message):
                        said.append(_said(site_id, message, vector.to_bytes()))
        return said

    def coordinated(self) -> tuple[list[Said], at_coordinator.Completed | at_coordinator.Aborted]:
        """What the coordinator says, and the outcome, if the sites say what the file says, in its order."""
        session = CoordinatorSession(self.spec, self.roster)
        pending = [(said["from"], said) for said in self.vector["messages"] if "from" in said]
        said: list[Said] = []
        events: list[at_coordinator.CoordinatorEvent] = [at_coordinator.Opened()]
        while True:
            event = events.pop(0) if events else self._next(session, pending)
            for instruction in session.handle(event):
                match instruction:
                    case at_coordinator.SendTo(site_id=site, message=message):
                        said.append(_said(site, message))
                    case at_coordinator.PersistSurvivors():
                        events.append(at_coordinator.Persisted())
                    case at_coordinator.Completed() | at_coordinator.Aborted():
                        assert not pending, "said after the end"
                        return said, instruction

    def _next(self, session: CoordinatorSession, pending: list[tuple[str, Any]]) -> at_coordinator.CoordinatorEvent:
        """The next message, once its phase has come; until then deadlines end the phases before."""
        if not pending or PHASE_OF[MessageKind(pending[0][1]["kind"])] is not session.phase:
            return at_coordinator.Deadline()
        site, said = pending.pop(0)
        if said["kind"] != MessageKind.MASKED:
            return at_coordinator.Received(site, _message(said))
        vector = MaskedVector.from_bytes(self.spec.layout, bytearray.fromhex(said["image"]))
        return at_coordinator.MaskedArrived(site, vector, _message(said))

    def recorded(self, *, by_sites: bool) -> list[Said]:
        """The file's own messages in the same form."""
        return [
            _said(site, _message(said), bytes.fromhex(said.get("image", "")))
            for said in self.vector["messages"]
            if ("from" in said) == by_sites
            for site in said.get("to") or [said["from"]]
        ]


def _message(said: Any) -> Message:
    return Message.of(said["kind"], bytes.fromhex(said["body"]), bytes.fromhex(said.get("signature", "")))


def _said(site: str, message: Message, image: bytes = b"") -> Said:
    return int(message.kind), site, message.body, message.signature, image


def _floats(text: str) -> Any:
    return np.frombuffer(bytes.fromhex(text), "<f4")
