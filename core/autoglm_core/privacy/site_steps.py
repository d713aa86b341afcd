"""What a site does in each state on each event that belongs there: functions from state and event to the next state.

They raise `Refused` or `Malformed` for a message that must not be followed; the engine in `site_session.py` then ends
the session.
"""

from __future__ import annotations

from dataclasses import replace

from autoglm_core.privacy.bodies import (
    Masked as MaskedHeader,
)
from autoglm_core.privacy.bodies import (
    OpenShare,
    ShareKind,
    Shares,
    SurvivorSignature,
    Unmask,
)
from autoglm_core.privacy.errors import IllegalEvent, SurvivorsChanged, UnmaskIncomplete
from autoglm_core.privacy.masks import mask, unprotected
from autoglm_core.privacy.messages import signed
from autoglm_core.privacy.session_keys import ShareChannel, pair_stream, self_stream
from autoglm_core.privacy.site_checks import (
    AdvertView,
    SharePair,
    read_acknowledgement,
    read_adverts,
    read_shares,
    read_signatures,
    read_survivors,
)
from autoglm_core.privacy.site_events import (
    Abort,
    Aborted,
    Done,
    InputReady,
    Received,
    RecordRelease,
    Send,
    SiteInstruction,
    Start,
    UploadMasked,
)
from autoglm_core.privacy.site_secrets import SiteSecrets
from autoglm_core.privacy.site_states import (
    Advertised,
    Clear,
    Finished,
    GivenUp,
    Masked,
    New,
    Ready,
    Released,
    Shared,
    Signed,
    Site,
    SiteState,
)
from autoglm_core.privacy.vectors import ClearVector, MaskedVector

Step = tuple[SiteState, list[SiteInstruction]]


def start(me: Site, _: New, __: Start) -> Step:
    """Draw everything at once, advertise."""
    if not me.spec.masked:
        return Clear(), []
    secrets = SiteSecrets.draw(me.spec, me.roster, entropy=me.entropy)
    advert = signed(secrets.advert(me.spec, site_id=me.site_id), key=me.key)
    return Advertised(secrets, advert), [Send(advert)]


def share(me: Site, state: Advertised, event: Received) -> Step:
    """Seal a pair of shares for every peer that advertised."""
    known = read_adverts(event.message, spec=me.spec, roster=me.roster, own=state.advert)
    channels = {peer: _channel(me, state.secrets, known, peer) for peer in known.adverts if peer != me.site_id}
    sealed = tuple(
        (peer, channel.seal(state.secrets.seed_shares[peer], state.secrets.key_shares[peer]))
        for peer, channel in channels.items()
    )
    message = signed(Shares(me.spec.digest, me.site_id, sealed), key=me.key)
    return Shared(state.secrets, known, channels, state.waiting_input), [Send(message)]


def keep_shares(me: Site, state: Shared, event: Received) -> Step:
    """Open and check the peers' shares; mask at once if the input waits."""
    pairs = read_shares(event.message, spec=me.spec, site_id=me.site_id, known=state.known, channels=state.channels)
    ready = Ready(state.secrets, state.known, pairs)
    return (ready, []) if state.waiting_input is None else _upload(me, ready, state.waiting_input)


def keep_input(me: Site, state: Advertised | Shared, event: InputReady) -> Step:
    """The input came before the shares."""
    if state.waiting_input is not None:
        raise IllegalEvent(state=type(state).__name__, event="a second InputReady")
    event.vector.require(me.spec.layout)
    return replace(state, waiting_input=event.vector), []


def mask_input(me: Site, state: Ready, event: InputReady) -> Step:
    """The input came after the shares."""
    event.vector.require(me.spec.layout)
    return _upload(me, state, event.vector)


def send_clear(me: Site, _: Clear, event: InputReady) -> Step:
    """No masks, no shares, nothing to wait for."""
    event.vector.require(me.spec.layout)
    return Finished(), [_header(me, unprotected(event.vector)), Done()]


def sign_survivors(me: Site, state: Masked, event: Received) -> Step:
    """State which list this site saw, and sign it."""
    survivors = read_survivors(event.message, spec=me.spec, site_id=me.site_id, masked_with=frozenset(state.pairs))
    if any(release.survivors != survivors.sites for release in me.earlier):
        raise UnmaskIncomplete
    statement = signed(SurvivorSignature(me.spec.digest, me.site_id, survivors.list_hash), key=me.key)
    return Signed(state.pairs, state.input_hash, survivors, statement), [Send(statement)]


def sign_again(_: Site, state: Signed | Released, event: Received) -> Step:
    """The same list again gets the same bytes; another list is proof of two views."""
    if event.message.body != state.survivors.encode():
        raise SurvivorsChanged
    return state, [Send(state.statement)]


def release(me: Site, state: Signed, event: Received) -> Step:
    """Enough sites saw the same list: release one kind of share per peer and keep none."""
    read_signatures(event.message, spec=me.spec, roster=me.roster, survivors=state.survivors)
    body = Unmask(
        spec=me.spec.digest,
        site_id=me.site_id,
        survivors=state.survivors.list_hash,
        signature=state.statement.signature,
        shares=tuple(_one_kind(dealer, state) for dealer in sorted(state.pairs)),
    )
    message = signed(body, key=me.key)
    record = RecordRelease(state.survivors.sites, me.spec.subjects, me.spec.purpose, state.input_hash)
    return Released(state.survivors, state.statement, message), [record, Send(message)]


def release_again(me: Site, state: Released, event: Received) -> Step:
    """Signatures over the same list again get the same bytes."""
    read_signatures(event.message, spec=me.spec, roster=me.roster, survivors=state.survivors)
    return state, [Send(state.unmask)]


def finish(me: Site, _: Masked | Signed | Released, event: Received) -> Step:
    """The coordinator holds all that it needs."""
    read_acknowledgement(event.message, spec=me.spec)
    return Finished(), [Done()]


def give_up(_: Site, __: SiteState, event: Abort) -> Step:
    """The agent ends the session."""
    return GivenUp(), [Aborted(event.code)]


def _channel(me: Site, secrets: SiteSecrets, known: AdvertView, peer: str) -> ShareChannel:
    public = known.adverts[peer].share_key
    return ShareChannel(secrets.share_private, public, spec=me.spec.digest, own=me.site_id, peer=peer, view=known.view)


def _upload(me: Site, state: Ready, vector: ClearVector) -> Step:
    input_hash = vector.sha256
    if any(release.input_hash != input_hash for release in me.earlier):
        raise UnmaskIncomplete
    secrets = state.secrets
    streams = [self_stream(secrets.seed, spec=me.spec.digest, site=me.site_id)]
    for peer in state.pairs:
        public = state.known.adverts[peer].mask_key
        streams.append(pair_stream(secrets.mask_private, public, spec=me.spec.digest, own=me.site_id, peer=peer))
    own: SharePair = secrets.seed_shares[me.site_id], secrets.key_shares[me.site_id]
    return Masked({**state.pairs, me.site_id: own}, input_hash), [_header(me, mask(vector, streams))]


def _header(me: Site, vector: MaskedVector) -> UploadMasked:
    image = vector.sha256
    header = MaskedHeader(me.spec.digest, me.site_id, bytes.fromhex(image))
    return UploadMasked(replace(vector, known_sha256=image), signed(header, key=me.key))


def _one_kind(dealer: str, state: Signed) -> tuple[str, ShareKind, OpenShare]:
    of_seed, of_key = state.pairs[dealer]
    if dealer in state.survivors.sites:
        return dealer, ShareKind.SEED, of_seed
    return dealer, ShareKind.MASK_KEY, of_key
