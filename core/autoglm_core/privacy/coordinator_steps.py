"""What the coordinator does in each phase on each event that belongs there.

Functions from state and event to state and instructions. They raise for a site's message that must not be followed,
and then nothing has changed: one site cannot end the others' session. Only too few sites, or a dealer that cheated,
end it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autoglm_core.privacy.bodies import (
    Acknowledged,
    Adverts,
    SharesFor,
    Signatures,
    Survivors,
)
from autoglm_core.privacy.checkpoint import encode_record
from autoglm_core.privacy.coordinator_checks import Desk
from autoglm_core.privacy.coordinator_events import (
    Aborted,
    Blamed,
    Completed,
    CoordinatorInstruction,
    Deadline,
    MaskedArrived,
    Opened,
    Persisted,
    PersistShare,
    PersistSurvivors,
    Received,
    SendTo,
    SiteLost,
    SumResult,
)
from autoglm_core.privacy.coordinator_states import (
    PHASES,
    Advertising,
    Answer,
    AnyCollecting,
    CoordinatorState,
    Finished,
    GivenUp,
    Masking,
    New,
    Persisting,
    Resumed,
    Sharing,
    Shown,
    Signing,
    Summed,
    Unmasking,
)
from autoglm_core.privacy.errors import BadShare, DuplicateMessage, Refused, TooFewSites
from autoglm_core.privacy.masks import Parallel, unmask
from autoglm_core.privacy.messages import Message, unsigned
from autoglm_core.privacy.recovery import remaining_masks
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.vectors import ClearVector, MaskedVector

Step = tuple[CoordinatorState, list[CoordinatorInstruction]]


@dataclass(frozen=True)
class Coordinator:
    """What the coordinator knows before the session and never changes in it."""

    spec: SessionSpec
    roster: Roster
    desk: Desk
    parallel: Parallel
    parts: int


def open_session(me: Coordinator, _: New, __: Opened) -> Step:
    """The sites begin by themselves, on their offers; without masks they begin with their vectors."""
    if me.spec.masked:
        return Advertising(expected=me.spec.cohort), []
    shown = Shown({}, unsigned(Adverts(me.spec.digest, ())))
    running = MaskedVector.zeros(me.spec.layout)
    return Masking(expected=me.spec.cohort, shown=shown, running=running), []


def reopen(me: Coordinator, state: Resumed, _: Opened) -> Step:
    """Ask again for signatures and shares; sites answer with the same bytes as before."""
    if not me.spec.masked:
        return _complete(me, state.summed)
    answers = {
        site: Answer(me.desk.own_statement(stored.body), me.desk.statement(stored.body))
        for site, stored in state.stored.items()
    }
    survivors = state.summed.survivors.sites
    signing = Signing(expected=survivors, summed=state.summed, answers=answers, stored=state.stored)
    # Whose shares are stored may not have heard so: that message was lost with its sender.
    told = _send_all(tuple(state.stored), _acknowledgement(me))
    return _and_then(me, signing, [*told, *_send_all(signing.waiting, unsigned(state.summed.survivors))])


def advertised(me: Coordinator, state: Advertising, event: Received) -> Step:
    """One more advert."""
    if not _is_due(state, event.site_id, event.message):
        return state, []
    others = [answer.body for answer in state.answers.values()]
    advert = me.desk.advert(event.site_id, event.message, others=others)
    return _settle(me, state.answered(event.site_id, Answer(event.message, advert)))


def shared(me: Coordinator, state: Sharing, event: Received) -> Step:
    """One more bundle of sealed shares."""
    if not _is_due(state, event.site_id, event.message):
        return state, []
    shares = me.desk.shares(event.site_id, event.message, peers=state.expected)
    return _settle(me, state.answered(event.site_id, Answer(event.message, shares)))


def masked(me: Coordinator, state: Masking, event: MaskedArrived) -> Step:
    """One more vector in the running sum."""
    if not _is_due(state, event.site_id, event.message):
        return state, []
    header = me.desk.masked(event.site_id, event.message, vector=event.vector)
    state.running.add(event.vector)
    return _settle(me, state.answered(event.site_id, Answer(event.message, header)))


def persisted(me: Coordinator, state: Persisting, _: Persisted) -> Step:
    """The sum cannot be lost any more: ask whether all survivors saw the same list."""
    if not me.spec.masked:
        return _complete(me, state.summed)
    signing = Signing(expected=state.summed.survivors.sites, summed=state.summed, lost=state.lost)
    return _and_then(me, signing, _send_all(signing.waiting, unsigned(state.summed.survivors)))


def statement_signed(me: Coordinator, state: Signing, event: Received) -> Step:
    """One more signature over the survivors."""
    if not _is_due(state, event.site_id, event.message):
        return state, []
    statement = me.desk.signature(event.site_id, event.message, summed=state.summed)
    return _settle(me, state.answered(event.site_id, Answer(event.message, statement)))


def released(me: Coordinator, state: Unmasking, event: Received) -> Step:
    """One more set of shares; wrong ones are signed by whoever sent them, who is left out from here on."""
    site = event.site_id
    if not _is_due(state, site, event.message):
        return state, []
    body = me.desk.unmask(site, event.message, summed=state.summed)
    try:
        me.desk.require_true_shares(body, summed=state.summed)
    except BadShare as error:
        return _and_then(me, state.without(site), [Blamed(site, error.code)])
    stored: list[CoordinatorInstruction] = [PersistShare(site, event.message), SendTo(site, _acknowledgement(me))]
    return _and_then(me, state.answered(site, Answer(event.message, body)), stored)


def lose(me: Coordinator, state: AnyCollecting, event: SiteLost) -> Step:
    """Do not wait for this site any more."""
    return _settle(me, state.without(event.site_id))


def end_phase(me: Coordinator, state: AnyCollecting, _: Deadline) -> Step:
    """Do not wait for anyone any more."""
    return _settle(me, state.without(*state.waiting))


def lose_while_persisting(_: Coordinator, state: Persisting, event: SiteLost) -> Step:
    """Its vector is in the sum and stays there."""
    return Persisting(state.summed, state.lost | {event.site_id}), []


def keep_persisting(_: Coordinator, state: Persisting, __: Deadline) -> Step:
    """The disk is not a site: there is nobody to give up."""
    return state, []


def _is_due(state: AnyCollecting, site: str, message: Message) -> bool:
    """Whether this answer counts: not from a lost site, nor a repetition; a second, different one raises."""
    if site in state.lost or site not in state.expected:
        return False
    if site not in state.answers:
        return True
    if state.answers[site].message != message:
        raise DuplicateMessage(site=site, kind=message.kind.label)
    return False


def _settle(me: Coordinator, state: AnyCollecting) -> Step:
    """Stay, go on, or give up if this phase cannot reach enough sites any more."""
    needed = me.spec.threshold if isinstance(state, Signing | Unmasking) else me.spec.needed
    left = len(state.counted) + len(state.waiting)
    if left < needed:
        return _give_up(TooFewSites(phase=PHASES[type(state)].name, left=left, needed=needed))
    return (state, []) if state.waiting else _advance(me, state)


def _advance(me: Coordinator, state: AnyCollecting) -> Step:
    match state:
        case Advertising():
            return _show_adverts(me, state)
        case Sharing():
            return _hand_out_shares(me, state)
        case Masking():
            return _close_sum(me, state)
        case Signing():
            return _show_signatures(me, state)
        case Unmasking():
            return _open_sum(me, state)


def _show_adverts(me: Coordinator, state: Advertising) -> Step:
    answers = {site: state.answers[site] for site in state.counted}
    pairs = tuple((answer.message.body, answer.message.signature) for answer in answers.values())
    listed = unsigned(Adverts(me.spec.digest, pairs))
    shown = Shown({site: answer.body for site, answer in answers.items()}, listed)
    sharing = Sharing(expected=state.counted, shown=shown, lost=state.lost)
    return sharing, _send_all(state.counted, listed)


def _hand_out_shares(me: Coordinator, state: Sharing) -> Step:
    mail: dict[str, list[tuple[str, bytes]]] = {site: [] for site in state.counted}
    for sender in state.counted:
        for receiver, sealed in state.answers[sender].body.sealed:
            if receiver in mail:
                mail[receiver].append((sender, sealed))
    running = MaskedVector.zeros(me.spec.layout)
    masking = Masking(expected=state.counted, shown=state.shown, running=running, lost=state.lost)
    return masking, [
        SendTo(site, unsigned(SharesFor(me.spec.digest, site, tuple(bundle)))) for site, bundle in mail.items()
    ]


def _close_sum(me: Coordinator, state: Masking) -> Step:
    survivors = Survivors(me.spec.digest, state.counted)
    summed = Summed(state.shown, state.expected if me.spec.masked else (), survivors, state.running)
    record = encode_record(summed, spec=me.spec)
    return Persisting(summed, state.lost), [PersistSurvivors(survivors.sites, state.running, record)]


def _show_signatures(me: Coordinator, state: Signing) -> Step:
    pairs = tuple((site, state.answers[site].message.signature) for site in state.counted)
    listed = unsigned(Signatures(me.spec.digest, state.summed.survivors.list_hash, pairs))
    unmasking = Unmasking(expected=state.expected, summed=state.summed, answers=state.stored, lost=state.lost)
    return _and_then(me, unmasking, _send_all(unmasking.waiting, listed))


def _open_sum(me: Coordinator, state: Unmasking) -> Step:
    answers = {site: answer.body for site, answer in state.answers.items()}
    try:
        streams = remaining_masks(state.summed, answers, spec=me.spec, roster=me.roster)
    except Refused as error:
        return _give_up(error)
    unmask(state.summed.running, streams, parallel=me.parallel, parts=me.parts)
    late = tuple(site for site in state.expected if site not in state.answers)
    finished, completed = _complete(me, state.summed)
    return finished, [*_send_all(late, _acknowledgement(me)), *completed]


def _complete(me: Coordinator, summed: Summed) -> Step:
    """`summed.running` holds no mask any more."""
    clear = ClearVector(body=summed.running.body, tail=summed.running.tail)
    survivors = summed.survivors.sites
    dropped = tuple(site for site in me.spec.cohort if site not in survivors)
    return Finished(), [Completed(SumResult(clear.body, clear.tail.view(np.int64), survivors, dropped))]


def _give_up(error: Refused) -> Step:
    return GivenUp(), [Aborted(error.code, error.data)]


def _and_then(me: Coordinator, state: AnyCollecting, first: list[CoordinatorInstruction]) -> Step:
    settled, then = _settle(me, state)
    return settled, [*first, *then]


def _send_all(sites: tuple[str, ...], message: Message) -> list[CoordinatorInstruction]:
    return [SendTo(site, message) for site in sites]


def _acknowledgement(me: Coordinator) -> Message:
    return unsigned(Acknowledged(me.spec.digest))
