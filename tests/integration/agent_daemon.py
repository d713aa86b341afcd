"""Whole agents, each with its state, stream, child and secure sum, against a small coordinator over mutual TLS."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from autoglm_agent import audit
from autoglm_agent.config import PolicyConfig
from autoglm_agent.ledger import Ledger, StudyState
from autoglm_agent.local import ask
from autoglm_core.canonical import canonical_json
from autoglm_core.codes import RefusalCode
from autoglm_core.errors import InvalidInput, RemoteError
from autoglm_core.privacy.keys import SitePublicKey
from autoglm_core.privacy.ring import dequantize_sum
from autoglm_core.privacy.session_spec import Purpose
from autoglm_protos.v1 import agent_pb2 as pb
from support.agent_coordinator import SumFailed, small_coordinator, weights
from support.agent_deployment import deployment, run, running
from support.agent_sites import (
    PARAMETERS,
    SITES,
    STUDY_ID,
    make_site,
    make_spec,
    parameters_manifest,
    toy_study,
)

STUDY = toy_study()
ROWS = 60
"""Training rows that each synthetic site pretends to have."""


def test_a_round_sums_four_updates_and_leaves_a_trace_at_each_site(tmp_path: Path) -> None:
    async def story() -> None:
        async with deployment(tmp_path) as here:
            await here.approved()
            offer = here.offer(weights(0.5, PARAMETERS))
            result = await here.coordinator.sum(offer, here.roster)
            assert result.survivors == SITES
            spec = make_spec(parameters_manifest(weights(0.5, PARAMETERS)), here.roster, STUDY)
            counters = spec.counter_layout.decode(result.tail_sum)
            assert counters["weight"] == 4 * ROWS
            delta = dequantize_sum(
                result.body_sum, clip=spec.clip, levels=spec.levels, weight_cap=400, weight_sum=4 * ROWS
            )
            assert 0 < float(np.abs(delta).max()) < 0.01

    run(story)
    for name in SITES:
        ledger = Ledger(tmp_path / name / "state" / "ledger.db")
        (release,) = ledger.releases(parameters_models(), Purpose.TRAIN)
        assert release.survivors == SITES
        ledger.close()
        kinds = [entry.kind for entry in audit.verify(tmp_path / name / "state" / "audit.jsonl")]
        assert kinds.count("masked-vector") == 1
        assert kinds.index("fetch") < kinds.index("masked-vector")


def parameters_models() -> list[str]:
    return [item.artifact for item in parameters_manifest(weights(0.5, PARAMETERS)).items]


def test_the_same_round_again_masks_the_same_numbers_anew(tmp_path: Path) -> None:
    async def story() -> None:
        async with deployment(tmp_path) as here:
            await here.approved()
            model = weights(0.5, PARAMETERS)
            first = await here.coordinator.sum(here.offer(model), here.roster)
            again = await here.coordinator.sum(here.offer(model, sequence=2, attempt=2), here.roster)
            assert (first.body_sum == again.body_sum).all()
            assert len(set(here.coordinator.uploads)) == 8

    run(story)


def test_a_session_without_one_site_is_still_summed(tmp_path: Path) -> None:
    async def story() -> None:
        async with deployment(tmp_path) as here:
            await here.approved()
            result = await here.coordinator.sum(here.offer(weights(0.7, PARAMETERS)), here.roster, lose="site-c")
            assert result.dropped == ("site-c",)
            assert len(result.survivors) == 3

    run(story)


def test_a_damaged_model_is_refused_before_training(tmp_path: Path) -> None:
    async def story() -> None:
        async with deployment(tmp_path) as here:
            await here.approved()
            offer = here.offer(model := weights(0.5, PARAMETERS))
            here.coordinator.artifacts[next(iter(here.coordinator.artifacts))] = model[:-4] + b"\0\0\0\0"
            with pytest.raises(SumFailed) as failed:
                await here.coordinator.sum(offer, here.roster)
            assert set(failed.value.declined.values()) == {str(RefusalCode.ARTIFACT_DAMAGED)}

    run(story)


def test_a_diverged_broadcast_ends_in_a_code_not_in_a_vector(tmp_path: Path) -> None:
    async def story() -> None:
        async with deployment(tmp_path) as here:
            await here.approved()
            with pytest.raises(SumFailed) as failed:
                await here.coordinator.sum(here.offer(weights(float("nan"), PARAMETERS)), here.roster)
            assert set(failed.value.declined.values()) == {str(RefusalCode.NON_FINITE)}
            assert here.coordinator.uploads == []

    run(story)


def test_an_agent_comes_back_by_itself_and_works_on(tmp_path: Path) -> None:
    async def story() -> None:
        async with deployment(tmp_path) as here:
            await here.approved()
            here.coordinator.cut("site-a")
            await here.coordinator.connected(lambda: [name for name, _ in here.coordinator.hellos].count("site-a") == 2)
            result = await here.coordinator.sum(here.offer(weights(0.5, PARAMETERS)), here.roster)
            assert result.survivors == SITES

    run(story)


def test_nothing_runs_before_the_administrator_said_yes(tmp_path: Path) -> None:
    async def story() -> None:
        async with deployment(tmp_path, policy=PolicyConfig()) as here:
            site = here.sites[0]
            body = canonical_json(STUDY.to_json())
            with pytest.raises(SumFailed) as failed:
                await here.coordinator.sum(here.offer(weights(0.5, PARAMETERS)), here.roster)
            assert set(failed.value.declined.values()) == {str(RefusalCode.NOT_APPROVED)}
            here.offer_study(site)
            here.coordinator.send(site.name, pb.CoordinatorMessage(check=pb.CheckOffer(check_id="1", study=body)))
            assert (await here.coordinator.said(site.name, "check")).code == "roster-not-accepted"
            ledger = Ledger(site.state.ledger)
            ledger.accept_roster(here.roster.hash)
            ledger.decide(STUDY_ID, StudyState.APPROVED)
            ledger.close()
            answer = await asyncio.to_thread(ask, site.state.socket, {"verb": "decided", "study": STUDY_ID})
            assert answer == {"code": "ok", "told": True}
            decision = await here.coordinator.said(site.name, "decision")
            signed = f"{STUDY.hash}\napproved".encode()
            SitePublicKey(site.key.public.raw).verify("study-decision", signed, decision.signature)

    run(story)


def test_a_certificate_is_renewed_over_a_second_channel_without_a_gap(tmp_path: Path) -> None:
    async def story() -> None:
        async with deployment(tmp_path, lifetime=timedelta(seconds=4)) as here:
            first = dict(here.coordinator.hellos)
            await here.coordinator.connected(
                lambda: all(any(n == site and s != first[site] for n, s in here.coordinator.hellos) for site in SITES)
            )
            assert len(here.coordinator.hellos) == 2 * len(SITES)
            await here.approved()
            result = await here.coordinator.sum(here.offer(weights(0.5, PARAMETERS)), here.roster)
            assert result.survivors == SITES

    run(story)


def test_the_coordinator_holds_a_signed_head_of_the_audit_log(tmp_path: Path) -> None:
    async def story() -> None:
        async with deployment(tmp_path) as here:
            await here.approved()
        for site in here.sites:
            head = await here.coordinator.said(site.name, "audit")
            body = head.sequence.to_bytes(8, "big") + head.head
            SitePublicKey(site.key.public.raw).verify(audit.HEAD_MESSAGE, body, head.signature)

    run(story)


class Newer(InvalidInput):
    """As a coordinator that is too old says it."""

    code = "newer-protocol"


def test_an_agent_that_is_too_new_stops_and_says_what_to_change(tmp_path: Path) -> None:
    async def story() -> None:
        async with small_coordinator() as (coordinator, address):
            coordinator.refuse = Newer("the agent speaks protocol 2, this coordinator 1: upgrade the coordinator")
            site = make_site(tmp_path, "site-a", credentials=coordinator.issue("site-a"), address=address)
            async with running(site) as task:
                with pytest.raises(RemoteError, match="upgrade the coordinator"):
                    await task

    run(story)
