"""Sites and strangers against an honest coordinator, over its real ports: what they send late, wrong or unasked.

`autoglm-coordinator run` in a process of its own; the four agents of its roster are scripted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import pytest

from autoglm.control import ControlClient
from autoglm.credentials import OperatorCredentials
from autoglm_core.canonical import digest
from autoglm_core.errors import AutoglmError, RemoteError
from autoglm_core.privacy.bodies import Masked, OpenShare, Shares, Unmask
from autoglm_core.privacy.messages import Message, MessageKind, signed
from autoglm_core.privacy.site_events import UploadMasked
from autoglm_protos.v1 import agent_pb2 as pb
from support.consortium import TOKEN_VALID
from support.scripted_agent import LANE, Part, ScriptedAgent
from support.scripted_cohort import SITES, STRANGER, ScriptedCohort, scripted_cohort

CROOKED = "west"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedCohort]:
    """A coordinator and those who attack it."""
    with scripted_cohort(tmp_path_factory.mktemp("scripted")) as running:
        yield running


Story = Callable[[], Awaitable[None]]


def play(story: Story) -> None:
    """Run a test's story to its end, within a minute."""

    async def within() -> None:
        async with asyncio.timeout(60):
            await story()

    asyncio.run(within())


async def refused(call: Awaitable[object], code: str) -> None:
    """Assert that `call` is refused with `code`."""
    with pytest.raises(AutoglmError) as caught:
        await call
    error = caught.value
    assert (error.remote_code if isinstance(error, RemoteError) else error.code) == code


def test_control_four_honest_agents_are_summed(cohort: ScriptedCohort) -> None:
    async def story() -> None:
        honest = cohort.fresh(CROOKED)
        async with cohort.study(honest):
            entry = await cohort.round_of(await honest.attacked.get())
            assert len(entry.survivors) == 4
            assert entry.counters["weight"] == 4 * LANE

    play(story)


@pytest.mark.parametrize("over", [False, True], ids=["in the same phase", "after the survivors were fixed"])
def test_a_vector_comes_after_its_site_was_declared_dead(cohort: ScriptedCohort, over: bool) -> None:
    """The shares of its mask key may be out by then: added, it would lie open in what the coordinator stores."""
    dead, witness = cohort.fresh(CROOKED), cohort.fresh(SITES[0])
    ready, late = asyncio.Event(), asyncio.Event()
    statements: list[Message] = []

    async def too_late(agent: ScriptedAgent, part: Part, upload: UploadMasked) -> None:
        agent.say(failed=pb.TaskFailed(id=part.task, code="busy"))
        await agent.heard_out()
        await ready.wait()
        await agent.put(part.spec.session_id, upload.vector, upload.message)
        late.set()

    async def hold(agent: ScriptedAgent, part: Part, upload: UploadMasked) -> None:
        if not over:
            ready.set()
            await late.wait()
        await agent.put(part.spec.session_id, upload.vector, upload.message)

    def see(message: Message) -> Message | None:
        if message.kind is not MessageKind.SURVIVOR_SIGNATURE or not over:
            return message
        statements.append(message)
        ready.set()
        return None

    dead.upload, witness.upload, witness.tamper = too_late, hold, see

    async def story() -> None:
        async with cohort.study(dead, witness):
            part = await witness.attacked.get()
            await late.wait()
            for statement in statements:
                witness.send(part, statement)
            entry = await cohort.round_of(part)
            assert entry.dropped == (dead.id,)
            assert entry.counters["weight"] == 3 * LANE

    play(story)


def test_a_wrong_share_is_blamed_on_its_sender_and_the_sum_is_opened_without_it(cohort: ScriptedCohort) -> None:
    """Taken, it would rebuild another seed, and the sum would be noise that nobody can tell from a sum."""
    liar = cohort.fresh(CROOKED)

    def lie(message: Message) -> Message:
        if message.kind is not MessageKind.UNMASK:
            return message
        body = Unmask.decode(message.body)
        dealer, kind, share = body.shares[0]
        wrong = (dealer, kind, OpenShare(share.y ^ 1, share.salt))
        return signed(replace(body, shares=(wrong, *body.shares[1:])), key=liar.key)

    liar.tamper = lie

    async def story() -> None:
        async with cohort.study(liar):
            entry = await cohort.round_of(await liar.attacked.get())
            assert len(entry.survivors) == 4
            assert entry.counters["weight"] == 4 * LANE

    play(story)
    assert cohort.blamed(liar) == ["bad-share"]


def test_a_site_speaks_in_the_name_of_another(cohort: ScriptedCohort) -> None:
    """Its own shares under a peer's name: it is out, and the others are summed."""
    liar = cohort.fresh(CROOKED)
    other = cohort.fresh(SITES[0]).id

    def pose(message: Message) -> Message:
        if message.kind is not MessageKind.SHARES:
            return message
        return signed(replace(Shares.decode(message.body), site_id=other), key=liar.key)

    liar.tamper = pose

    async def story() -> None:
        async with cohort.study(liar):
            entry = await cohort.round_of(await liar.attacked.get())
            assert entry.dropped == (liar.id,)
            assert entry.counters["weight"] == 3 * LANE

    play(story)


def test_a_stranger_with_a_valid_certificate_speaks_in_a_session(cohort: ScriptedCohort) -> None:
    """A colluding member told it the session's id: it may deliver no vector and vouch for nothing."""
    helper, stranger = cohort.fresh(CROOKED), cohort.fresh(STRANGER)

    async def tell(agent: ScriptedAgent, part: Part, upload: UploadMasked) -> None:
        own = signed(replace(Masked.decode(upload.message.body), site_id=stranger.id), key=stranger.key)
        for header in (own, upload.message):
            await refused(stranger.put(part.spec.session_id, upload.vector, header), "not-found")
        stranger.send(part, Message(MessageKind.SHARES, b"anything", bytes(64)))
        stranger.say(failed=pb.TaskFailed(id=part.task, code="busy"))
        await stranger.heard_out()
        await agent.put(part.spec.session_id, upload.vector, upload.message)

    helper.upload = tell

    async def story() -> None:
        async with cohort.study(helper, stranger):
            entry = await cohort.round_of(await helper.attacked.get())
            assert len(entry.survivors) == 4
            assert entry.counters["weight"] == 4 * LANE

    play(story)


def test_an_agent_fetches_an_artifact_of_a_study_that_is_not_its_own(cohort: ScriptedCohort) -> None:
    """A model is broadcast to the sites of its round, and to nobody who learned its hash."""
    member, stranger = cohort.fresh(CROOKED), cohort.fresh(STRANGER)

    async def story() -> None:
        async with cohort.study(member, stranger) as study_id:
            [model] = (await member.attacked.get()).spec.models
            await refused(stranger.get(model, study_id=study_id), "denied")
            assert digest(await member.get(model, study_id=study_id)) == model

    play(story)


def test_a_member_answers_a_session_with_something_else(cohort: ScriptedCohort) -> None:
    """A measurement, and an answer to a dry run, under the session's number."""
    member = cohort.fresh(CROOKED)

    async def disturb(agent: ScriptedAgent, part: Part, upload: UploadMasked) -> None:
        agent.say(probe=pb.ProbeResult(id=part.task, sealed=b"sealed"))
        agent.say(check=pb.CheckResult(check_id=str(part.task.sequence), code="ok"))
        await agent.heard_out()
        await agent.put(part.spec.session_id, upload.vector, upload.message)

    member.upload = disturb

    async def story() -> None:
        async with cohort.study(member):
            entry = await cohort.round_of(await member.attacked.get())
            assert entry.counters["weight"] == LANE * len(entry.survivors)

    play(story)


def test_an_agents_certificate_at_the_control_service(cohort: ScriptedCohort) -> None:
    """It would submit studies, stop those of others, mint tokens, and write a roster of its own."""
    held = cohort.fresh(CROOKED).enrolled
    own = held.credentials
    false = OperatorCredentials(held.address, CROOKED, own.certificate, own.private_key, own.ca)
    with ControlClient(false) as client:
        calls: list[Callable[[], object]] = [
            client.agents,
            client.studies,
            client.roster,
            lambda: client.submit(b"{}", idempotency_key="x"),
            lambda: client.check(b"{}"),
            lambda: client.stop("attacked-1"),
            lambda: client.result("attacked-1"),
            lambda: client.create_join_token("one-more", valid=TOKEN_VALID),
            lambda: client.propose_roster([CROOKED], minimum_cohort=1),
            lambda: client.revoke_agent(held.id),
        ]
        for call in calls:
            with pytest.raises(RemoteError, match="only a certificate of role operator") as caught:
                call()
            assert caught.value.remote_code == "wrong-role"
    assert cohort.consortium.client.agents(), "the operator's own is taken"


def test_a_site_accuses_an_honest_one(cohort: ScriptedCohort) -> None:
    """One word against another: who says it is out of this session, and the accused stays in all of them."""
    liar, honest = cohort.fresh(CROOKED), cohort.fresh(SITES[0])

    async def accuse(agent: ScriptedAgent, part: Part, upload: UploadMasked) -> None:
        agent.say(failed=pb.TaskFailed(id=part.task, code="protocol-violation", accused=honest.id))

    liar.upload = accuse

    async def story() -> None:
        async with cohort.study(liar):
            entry = await cohort.round_of(await liar.attacked.get())
            assert entry.dropped == (liar.id,)
            assert entry.counters["weight"] == 3 * LANE

    play(story)
    assert cohort.blamed(honest) == []
