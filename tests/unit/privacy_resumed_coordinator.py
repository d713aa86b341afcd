"""A coordinator that dies after its survivors are durable: its successor opens the same sum and tells everyone."""

import pytest

from autoglm_core.privacy import coordinator_events as at_coordinator
from autoglm_core.privacy.coordinator_session import CoordinatorSession, Phase
from autoglm_core.privacy.messages import MessageKind
from autoglm_core.privacy.vectors import MaskedVector
from support.secure_sum_wire import Deployment, Wire, completed, inputs_for, integer_sum, result_sum


def died(*, stored: int) -> Wire:
    """Five sites that released their shares, s02 excepted; of the shares `stored` are durable, none is acknowledged."""
    deployment = Deployment.of(5)
    spec = deployment.spec()
    wire = Wire(deployment, spec, inputs_for(spec), drops={"s02": Phase.MASK})
    wire.interfere = lambda _, message: None if message.kind is MessageKind.ACKNOWLEDGED else message
    completed(wire.run())
    assert wire.stored is not None
    wire.interfere = lambda _, message: message
    wire.outcome = None
    wire.coordinator = CoordinatorSession.resume(
        spec,
        deployment.roster,
        record=wire.stored.record,
        running=MaskedVector.from_bytes(spec.layout, bytearray(wire.stored_running)),
        unmasked=wire.stored_shares[:stored],
    )
    return wire


def require_opened(wire: Wire) -> None:
    """The sum is the survivors', and each of them knows that nothing more is needed of it."""
    wire.settle()
    result = completed(wire.outcome)
    assert result.survivors == ("s00", "s01", "s03", "s04")
    assert result_sum(result) == integer_sum([wire.inputs[site] for site in result.survivors], wire.spec.layout)
    assert {wire.sites[site].state for site in result.survivors} == {"Finished"}
    assert not wire.site_aborts


@pytest.mark.parametrize("stored", [0, 2, 4])
def test_its_successor_opens_the_sum_and_tells_every_survivor(stored: int) -> None:
    """A site whose shares were stored, but who never heard so, would wait until its lease is over."""
    wire = died(stored=stored)
    wire.feed(at_coordinator.Opened())
    require_opened(wire)


def test_shares_on_their_way_when_it_died_do_not_cost_their_sender_its_place() -> None:
    """They reach the successor while it collects signatures again; a refusal would declare an honest site lost."""
    wire = died(stored=0)
    wire.feed(at_coordinator.Opened())
    assert wire.coordinator.phase is Phase.CONSISTENCY
    for site in wire.coordinator.waiting:
        assert wire.feed(at_coordinator.Received(site, wire.messages[site, MessageKind.UNMASK])) == []
    require_opened(wire)
