"""Keys that nobody agreed on: a stranger with a valid certificate, and a coordinator that swaps a site's key."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from autoglm.processes import wait_until
from autoglm_coordinator.store.api import RosterRecord
from autoglm_coordinator.store.sql import open_store
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.roster import Roster
from support.consortium import Consortium
from support.manual_clock import START
from support.ward import SITES, study_file, ward

STRANGER = "stranger"


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """Three sites under a roster, a device, and a fourth site with the same data whom nobody put into the roster."""
    with ward(tmp_path_factory.mktemp("roster"), *SITES, STRANGER) as running:
        running.join(*running.members)
        running.agree(*SITES)
        yield running


def submitted(consortium: Consortium, name: str) -> str:
    study_file(consortium.operator.folder, name=name)
    return consortium.operator.types("submit", f"{name}.yaml").split()[0]


def test_a_stranger_is_asked_nothing_and_its_yes_counts_nothing(consortium: Consortium) -> None:
    study_file(consortium.operator.folder, name="closed")
    dry = consortium.operator.types("submit", "closed.yaml", "--dry-run")
    assert sorted(line.split()[0] for line in dry.splitlines()) == sorted([*SITES, "kit"])
    study = submitted(consortium, "closed")
    consortium.decide("approve", study, "st-mary", "kit")
    stranger = consortium[STRANGER]
    assert study not in stranger.types("studies")
    assert "no study" in stranger.refused("approve", study)
    assert "awaiting approval (2/4)" in consortium.operator.types("status", study)
    refusal = stranger.run("roster", "show")
    assert refusal.returncode == 1
    assert "no roster" in refusal.stderr
    consortium.operator.types("stop", study)


def test_a_swapped_key_is_accepted_nowhere_and_nothing_runs_under_it(consortium: Consortium) -> None:
    true = consortium.client.roster()
    false = swap_key(consortium, "va")

    mary, va = consortium["st-mary"], consortium["va"]
    consortium.wait_offered(mary, false.hash)
    shown = mary.types("roster", "show")
    assert "not accepted" in shown
    own = re.search(r"([0-9a-f]{16}) +va +\(this site\)", va.types("roster", "show"))
    assert own is not None
    assert own[1] not in shown, "over the phone, the administrators read different digits"
    assert f"no roster that begins with '{false.hash[:16]}'" in va.refused("roster", "accept", false.hash[:16])
    assert "does not hold this site's own key" in va.daemon.output()

    study = submitted(consortium, "swapped")
    consortium.wait_offer("st-mary", study)
    assert "`autoglm-agent roster accept`" in mary.refused("approve", study)
    mary.types("roster", "accept", false.hash[:16])
    mary.types("approve", study)
    consortium.wait_offer("va", study)
    assert "`autoglm-agent roster accept`" in va.refused("approve", study), "one careless site is not enough"
    said = consortium.operator.types("status", study)
    assert "awaiting approval (1/4)" in said
    assert "va" in said
    consortium.operator.types("stop", study)

    consortium.agree(*SITES)
    assert {site.fingerprint for site in consortium.client.roster().sites} == {site.fingerprint for site in true.sites}


def swap_key(consortium: Consortium, name: str) -> Roster:
    """A coordinator that lies: a next roster in which the key of `name` is its own, accepted by all, as it says."""
    consortium.coordinator.terminate()
    assert consortium.coordinator.wait(seconds=20)

    async def write() -> Roster:
        store = open_store(consortium.coordinator_state)
        try:
            record = await store.latest_roster()
            assert record is not None
            roster = Roster.decode(record.body)
            stolen = SiteKey.generate().public.raw
            sites = tuple(replace(site, public_key=stolen) if site.name == name else site for site in roster.sites)
            false = replace(roster, version=roster.version + 1, sites=sites)
            await store.put_roster(RosterRecord(false.version, false.hash, false.encode()))
            for site in sites:
                await store.accept_roster(false.hash, site.site_id, START, simulated=False)
            return false
        finally:
            await store.close()

    false = asyncio.run(write())
    consortium.start_coordinator()
    wait_until(consortium.answers, what="the coordinator", seconds=20)
    consortium.wait_connected(*SITES, "kit")
    return false
