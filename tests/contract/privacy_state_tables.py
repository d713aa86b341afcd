"""Every pair of state and event of both halves: it follows the table, or raises and changes nothing."""

from itertools import product

import pytest

from autoglm_core.privacy import coordinator_events as at_coordinator
from autoglm_core.privacy import site_events as at_site
from autoglm_core.privacy.coordinator_session import ENDED as COORDINATOR_ENDED
from autoglm_core.privacy.coordinator_session import OVER, CoordinatorSession
from autoglm_core.privacy.coordinator_session import TABLE as COORDINATOR_TABLE
from autoglm_core.privacy.coordinator_session import Trigger as CoordinatorTrigger
from autoglm_core.privacy.coordinator_states import PHASES
from autoglm_core.privacy.errors import IllegalEvent
from autoglm_core.privacy.messages import MessageKind
from autoglm_core.privacy.site_session import TABLE as SITE_TABLE
from autoglm_core.privacy.site_session import SiteSession
from autoglm_core.privacy.site_session import Trigger as SiteTrigger
from autoglm_core.privacy.site_states import ENDED as SITE_ENDED
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
    SiteState,
)
from autoglm_core.privacy.vectors import MaskedVector
from support.secure_sum_wire import SPEAKS_IN, Deployment, Wire, completed, inputs_for

SITE_STATES: tuple[type[SiteState], ...] = (
    New, Clear, Advertised, Shared, Ready, Masked, Signed, Released, Finished, GivenUp,
)  # fmt: skip
SITE_TRIGGERS: tuple[SiteTrigger, ...] = (at_site.Start, at_site.InputReady, at_site.Abort, *MessageKind)
COORDINATOR_TRIGGERS: tuple[CoordinatorTrigger, ...] = (
    at_coordinator.Opened,
    at_coordinator.MaskedArrived,
    at_coordinator.SiteLost,
    at_coordinator.Deadline,
    at_coordinator.Persisted,
    *MessageKind,
)


@pytest.fixture(scope="module")
def reference() -> Wire:
    """A whole session, from which real messages of every kind are taken."""
    deployment = Deployment.of(4)
    spec = deployment.spec()
    wire = Wire(deployment, spec, inputs_for(spec))
    completed(wire.run())
    return wire


def site_in(state: type[SiteState], reference: Wire) -> SiteSession:
    """s00 brought into `state` by real events."""
    wire = Wire(reference.deployment, reference.spec, reference.inputs)
    if state is Clear:
        deployment = reference.deployment
        spec = deployment.spec(masked=False)
        session = SiteSession(
            spec, deployment.roster, "s00", deployment.keys["s00"], entropy=bytes, allow_unmasked=True
        )
        session.handle(at_site.Start())
        return session
    session = wire.sites["s00"]
    shown = reference.shown
    path: list[at_site.SiteEvent] = [
        at_site.Start(),
        at_site.Received(shown["s00", MessageKind.ADVERTS]),
        at_site.Received(shown["s00", MessageKind.SHARES_FOR]),
        at_site.InputReady(reference.inputs["s00"]),
        at_site.Received(shown["s00", MessageKind.SURVIVORS]),
        at_site.Received(shown["s00", MessageKind.SIGNATURES]),
        at_site.Received(shown["s00", MessageKind.ACKNOWLEDGED]),
    ]
    if state is GivenUp:
        path = [at_site.Abort("lease-expired")]
    for event in path:
        if session.state == state.__name__:
            break
        session.handle(event)
    assert session.state == state.__name__
    return session


def site_event(trigger: SiteTrigger, reference: Wire) -> at_site.SiteEvent:
    """A well-formed event; of messages that sites send, a site's own."""
    if isinstance(trigger, MessageKind):
        message = reference.shown.get(("s00", trigger)) or reference.messages["s00", trigger]
        return at_site.Received(message)
    if trigger is at_site.InputReady:
        return at_site.InputReady(reference.inputs["s00"])
    return at_site.Start() if trigger is at_site.Start else at_site.Abort("cancelled")


@pytest.mark.parametrize("state", SITE_STATES, ids=lambda state: state.__name__)
def test_every_event_at_a_site(state: type[SiteState], reference: Wire) -> None:
    for trigger in SITE_TRIGGERS:
        session = site_in(state, reference)
        before = session._state
        event = site_event(trigger, reference)
        if (state, trigger) in SITE_TABLE:
            assert session.handle(event) or session._state is not before
        elif state in SITE_ENDED and trigger is not at_site.Start:
            assert session.handle(event) == []
            assert session._state is before
        else:
            with pytest.raises(IllegalEvent):
                session.handle(event)
            assert session._state is before


def test_the_site_table_names_known_states_and_events_only() -> None:
    assert set(SITE_TABLE) <= set(product(SITE_STATES, SITE_TRIGGERS))


def test_a_second_input_changes_nothing(reference: Wire) -> None:
    for state in (Advertised, Shared):
        session = site_in(state, reference)
        session.handle(at_site.InputReady(reference.inputs["s00"]))
        before = session._state
        with pytest.raises(IllegalEvent):
            session.handle(at_site.InputReady(reference.inputs["s01"]))
        assert session._state is before


def coordinator_in(state: type, reference: Wire) -> CoordinatorSession:
    """A coordinator brought into `state` by real events, waiting for s00 where it waits at all."""
    name = state.__name__
    if name == "Resumed":
        assert reference.stored is not None
        running = MaskedVector.from_bytes(reference.spec.layout, bytearray(reference.stored_running))
        return CoordinatorSession.resume(
            reference.spec, reference.deployment.roster, record=reference.stored.record, running=running
        )
    session = CoordinatorSession(reference.spec, reference.deployment.roster)
    path: list[at_coordinator.CoordinatorEvent] = [at_coordinator.Opened()]
    for kind in SPEAKS_IN:
        path += [coordinator_event(kind, reference, site=site) for site in reversed(reference.spec.cohort)]
        if kind is MessageKind.MASKED:
            path.append(at_coordinator.Persisted())
    if name == "GivenUp":
        path = [at_coordinator.Opened(), at_coordinator.Deadline()]
    for event in path:
        if type(session._state).__name__ == name:
            break
        session.handle(event)
    assert type(session._state) is state
    return session


def coordinator_event(
    trigger: CoordinatorTrigger, reference: Wire, *, site: str = "s00"
) -> at_coordinator.CoordinatorEvent:
    """A well-formed event of that kind from `site`."""
    if trigger in (at_coordinator.MaskedArrived, MessageKind.MASKED):
        vector = reference.vectors[site]
        return at_coordinator.MaskedArrived(site, vector, reference.messages[site, MessageKind.MASKED])
    if isinstance(trigger, MessageKind):
        return at_coordinator.Received(site, reference.messages.get((site, trigger)) or reference.shown[site, trigger])
    if trigger is at_coordinator.SiteLost:
        return at_coordinator.SiteLost(site)
    plain: dict[CoordinatorTrigger, at_coordinator.CoordinatorEvent] = {
        at_coordinator.Opened: at_coordinator.Opened(),
        at_coordinator.Deadline: at_coordinator.Deadline(),
        at_coordinator.Persisted: at_coordinator.Persisted(),
    }
    return plain[trigger]


QUIET = ("keep_persisting",)


@pytest.mark.parametrize("state", PHASES, ids=lambda state: state.__name__)
def test_every_event_at_the_coordinator(state: type, reference: Wire) -> None:
    for trigger in COORDINATOR_TRIGGERS:
        session = coordinator_in(state, reference)
        before = session._state
        event = coordinator_event(trigger, reference)
        if isinstance(event, at_coordinator.MaskedArrived):
            trigger = at_coordinator.MaskedArrived
        step = COORDINATOR_TABLE.get((state, trigger))
        if step is not None:
            session.handle(event)
            assert (session._state is before) == (step.__name__ in QUIET)
        elif (state in COORDINATOR_ENDED and trigger is not at_coordinator.Opened) or trigger in OVER.get(state, ()):
            assert session.handle(event) == []
            assert session._state is before
        else:
            with pytest.raises(IllegalEvent):
                session.handle(event)
            assert session._state is before


def test_the_coordinator_table_names_known_states_and_events_only() -> None:
    assert set(COORDINATOR_TABLE) <= set(product(PHASES, COORDINATOR_TRIGGERS))
