"""What the sites of one session send and receive together: payload, without what the transport adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoglm_coordinator.store.api import Store, TrafficRecord

if TYPE_CHECKING:
    from autoglm_coordinator.federation.transport import OfferSession
    from autoglm_core.privacy.messages import Message
    from autoglm_core.privacy.session_spec import SessionSpec


class Traffic:
    """A count in memory that is added to the stored one at `keep`."""

    def __init__(self, spec: SessionSpec, store: Store) -> None:
        self._spec, self._store = spec, store
        self._bytes = 0

    def offer(self, offer: OfferSession) -> None:
        """Sent to one site."""
        self._bytes += len(offer.spec) + len(offer.manifest)

    def message(self, message: Message) -> None:
        """Sent to one site, or by it."""
        self._bytes += len(message.body) + len(message.signature)

    def vector(self, header: Message) -> None:
        """Sent by one site, with its `header`."""
        self._bytes += self._spec.layout.byte_size
        self.message(header)

    def fetched(self, count: int) -> None:
        """Bytes of an artifact, by one site."""
        self._bytes += count

    async def keep(self) -> None:
        """Store what was moved since the last call."""
        moved, self._bytes = self._bytes, 0
        spec = self._spec
        record = TrafficRecord(spec.session_id, spec.study_id, spec.trial, spec.round, str(spec.purpose), moved)
        await self._store.add_traffic(record)
