"""What the coordinator checks of each message; raises and changes nothing, so that one site cannot end a session.

Every message is signed by the site key in the roster, names the site whose connection it came over, and belongs to
this spec.
"""

from __future__ import annotations

from typing import TypeVar

from autoglm_core.privacy.bodies import Advert, Masked, ShareKind, Shares, SurvivorSignature, Unmask
from autoglm_core.privacy.coordinator_states import Summed
from autoglm_core.privacy.errors import (
    BadShare,
    SurvivorsChanged,
    WrongPeers,
    WrongSender,
    WrongSession,
)
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_keys import SEALED_BYTES, commitment
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.site_checks import read_advert, require_distinct_keys, require_session
from autoglm_core.privacy.vectors import MaskedVector

Body = TypeVar("Body", Shares, Masked, SurvivorSignature, Unmask)


class Desk:
    """Reads sites' messages for one session."""

    def __init__(self, spec: SessionSpec, roster: Roster) -> None:
        self.spec, self.roster = spec, roster

    def advert(self, site: str, message: Message, *, others: list[Advert]) -> Advert:
        """Raises `BadKey` if one of its keys already stands in an advert of `others`."""
        advert = read_advert(message.body, message.signature, spec=self.spec, roster=self.roster)
        if advert.site_id != site:
            raise WrongSender(site=site, named=advert.site_id)
        require_distinct_keys([*others, advert])
        return advert

    def shares(self, site: str, message: Message, *, peers: tuple[str, ...]) -> Shares:
        """One ciphertext of the right size for each of `peers` but the sender."""
        shares = self._read(Shares.decode(message.body), site, message)
        if tuple(peer for peer, _ in shares.sealed) != tuple(peer for peer in peers if peer != site):
            raise WrongPeers(site=site)
        if any(len(sealed) != SEALED_BYTES for _, sealed in shares.sealed):
            raise BadShare(site=site)
        return shares

    def masked(self, site: str, message: Message, *, vector: MaskedVector) -> Masked:
        """The header is signed and names exactly this vector, which has the spec's layout."""
        header = self._read(Masked.decode(message.body), site, message)
        vector.require(self.spec.layout)
        if header.vector.hex() != vector.sha256:
            raise WrongSession(kind=message.kind.label)
        return header

    def signature(self, site: str, message: Message, *, summed: Summed) -> SurvivorSignature:
        """The site signed exactly the list that is in force."""
        statement = self._read(SurvivorSignature.decode(message.body), site, message)
        if statement.survivors != summed.survivors.list_hash:
            raise SurvivorsChanged
        return statement

    def unmask(self, site: str, message: Message, *, summed: Summed) -> Unmask:
        """One share of the right kind for every sharer; whether they are right is for `require_true_shares`."""
        unmask = self._read(Unmask.decode(message.body), site, message)
        if unmask.survivors != summed.survivors.list_hash:
            raise SurvivorsChanged
        survived = set(summed.survivors.sites)
        expected = tuple(
            (dealer, ShareKind.SEED if dealer in survived else ShareKind.MASK_KEY) for dealer in summed.sharers
        )
        if tuple((dealer, kind) for dealer, kind, _ in unmask.shares) != expected:
            raise WrongPeers(site=site)
        self.own_statement(unmask).verify(self.roster.key(site), site=site)
        return unmask

    def require_true_shares(self, unmask: Unmask, *, summed: Summed) -> None:
        """Raise `BadShare` unless each share opens what its dealer committed to: then `unmask.site_id` is to blame."""
        position = self.spec.cohort.index(unmask.site_id)
        for dealer, kind, share in unmask.shares:
            committed = summed.shown.adverts[dealer].commitments[position][0 if kind is ShareKind.SEED else 1]
            opened = commitment(share, spec=self.spec.digest, dealer=dealer, receiver=unmask.site_id, kind=kind)
            if opened != committed:
                raise BadShare(site=unmask.site_id)

    def statement(self, unmask: Unmask) -> SurvivorSignature:
        """The statement whose signature an unmask message carries."""
        return SurvivorSignature(self.spec.digest, unmask.site_id, unmask.survivors)

    def own_statement(self, unmask: Unmask) -> Message:
        """That statement and its signature as the message that once came alone."""
        return Message(MessageKind.SURVIVOR_SIGNATURE, self.statement(unmask).encode(), unmask.signature)

    def _read(self, body: Body, site: str, message: Message) -> Body:
        require_session(body.spec, self.spec, message.kind)
        if body.site_id != site:
            raise WrongSender(site=site, named=body.site_id)
        message.verify(self.roster.key(site), site=site)
        return body
