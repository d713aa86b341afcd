"""A power cut before and after each durable point of a round: ten deaths, one and the same outcome.

A round makes five things durable before anything that depends on them happens. The coordinator: survivors and running
sum before it asks anyone to unmask, each share before it acknowledges it, weights, aggregator state and counters in
one commit. A site: session id and vector's hash before the vector's first byte leaves, the release before the shares.
The process that has the point dies exactly there (support/dying_daemon.py) and is started again as it is.

Three sites are too few for any to be missing, so every round waits for the one that died, and each weight must be
that of a twin of the deployment that nobody disturbed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from autoglm.processes import Daemon
from autoglm.simulated_deployment import READY, START_SECONDS
from support import dying_daemon
from support.cluster import COORDINATOR
from support.disturbed import Disturbed, prepare, twin
from support.dying_daemon import ROUND, Point, Side
from support.simulations import durable
from support.site_record import Release, SiteRecord
from support.stored import OpenSession, StoredRound

VICTIM, OTHERS = "site-2", ("site-1", "site-3")
SITES = (VICTIM, *OTHERS)
DEATH_SECONDS = 60.0
pytestmark = pytest.mark.timeout(240)


@dataclass(frozen=True)
class Look:
    """What lies on the disks: the coordinator's rounds by number and its open sessions, and each site's record."""

    rounds: Mapping[int, StoredRound]
    open: tuple[OpenSession, ...]
    sites: Mapping[str, SiteRecord]

    @classmethod
    def at(cls, cluster: Disturbed) -> Look:
        return cls(
            rounds={entry.round: entry for entry in cluster.stored.rounds()},
            open=tuple(cluster.stored.open_sessions()),
            sites={name: SiteRecord.read(cluster.folder.agent(name)) for name in SITES},
        )

    @property
    def sessions(self) -> set[bytes]:
        """Every session that a site wrote down."""
        return {session for record in self.sites.values() for session in record.sessions}


@dataclass(frozen=True)
class Story:
    """What lay there when the process had died, and at the end of the study; beside it the twin's end."""

    death: Look
    end: Look
    calm: Look

    @property
    def counted(self) -> bytes:
        """The session whose sum gave the round."""
        return self.end.rounds[ROUND].session

    def more_unmasks(self, site: str) -> int:
        """Releases, apart from repeated ones, that left the site and not its twin."""
        return len(set(self.end.sites[site].unmasks)) - len(self.calm.sites[site].unmasks)

    def more_vectors(self, site: str) -> int:
        """Vectors that left the site and not its twin."""
        return len(self.end.sites[site].vectors) - len(self.calm.sites[site].vectors)

    def repeats(self, site: str) -> int:
        """Releases that left the site a second time, byte for byte."""
        unmasks = self.end.sites[site].unmasks
        return len(unmasks) - len(set(unmasks))


@pytest.fixture(scope="module")
def agreed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(durable(), tmp_path_factory.mktemp("three") / "prepared")


@pytest.fixture(scope="module")
def calm(agreed: Path, tmp_path_factory: pytest.TempPathFactory) -> Look:
    """The twin that nobody disturbs."""
    with Disturbed(durable(), twin(agreed, tmp_path_factory.mktemp("calm") / "run")) as cluster:
        cluster.wait_for_result(cluster.submit())
        return Look.at(cluster)


@pytest.fixture
def story(agreed: Path, calm: Look, tmp_path: Path, request: pytest.FixtureRequest) -> Story:
    """One death, at the point and the side that the test names, and the end of its study."""
    point, side = request.param
    with Disturbed(durable(), twin(agreed, tmp_path / "run")) as cluster:
        death = die(cluster, COORDINATOR if point.of_coordinator else VICTIM, point, side)
        cluster.wait_for_result(cluster.submit())
        told = Story(death, Look.at(cluster), calm)
    require_undisturbed(told)
    return told


def die(cluster: Disturbed, name: str, point: Point, side: Side) -> Look:
    """Let one daemon run as one that dies at the point; once it is dead, look, and start it as it is."""
    arguments = ["--state", str(cluster.folder.coordinator)]
    if name != COORDINATOR:
        arguments = ["--config", str(cluster.folder.agent(name) / "agent.toml")]
    command = [sys.executable, dying_daemon.__file__, point, side, "run", *arguments]
    daemon = Daemon(name, command, log=cluster.folder.log(f"dying-{name}"))
    cluster.kill(name)
    daemon.start()
    try:
        if name == COORDINATOR:
            daemon.wait_for_line(READY, seconds=START_SECONDS)
        cluster.wait_connected(*SITES)
        cluster.submit()
        assert daemon.wait(seconds=DEATH_SECONDS), f"it never came to the point: {daemon.output()}"
        death = Look.at(cluster)
    finally:
        daemon.sweep()
    cluster.start(name)
    return death


def comparable(record: SiteRecord) -> dict[tuple[str, str], Release]:
    """Releases without the input of trainings: it holds what they cost as well, which twins have not in common."""
    return {
        (model, purpose): replace(release, input="") if purpose == "train" else release
        for (model, purpose), release in record.releases.items()
    }


def require_undisturbed(told: Story) -> None:
    """The end is the twin's: no weight, no state, no counter and no release of any site tells them apart."""
    assert told.end.open == ()
    assert told.end.rounds.keys() == told.calm.rounds.keys()
    for number, entry in told.end.rounds.items():
        expected = told.calm.rounds[number]
        assert (entry.weights, entry.state, entry.counters) == (expected.weights, expected.state, expected.counters)
        assert (entry.survivors, entry.dropped) == (expected.survivors, ())
    sessions = [entry.session for number, entry in told.end.rounds.items() if number]
    assert len(set(sessions)) == len(sessions), "no sum counts twice"
    for name in SITES:
        record, twin_record = told.end.sites[name], told.calm.sites[name]
        assert comparable(record) == comparable(twin_record), "each sum was opened over the same sites and inputs"
        given_before = told.death.sites[name].releases
        assert record.releases.items() >= given_before.items(), "and over no other input than before the death"
        assert set(record.vectors) <= set(record.sessions.values()), "no vector left that was not written down before"
        assert len(set(record.vectors)) == len(record.vectors), "no two vectors are masked alike"


def at(point: Point, side: Side) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("story", [pytest.param((point, side), id=f"{side} {point}")], indirect=True)


@at(Point.SURVIVORS, Side.BEFORE)
def test_without_stored_survivors_the_round_is_a_new_session(story: Story) -> None:
    assert story.death.open == ()
    assert story.counted not in story.death.sessions
    for name in SITES:
        assert len(story.death.sites[name].statements) == ROUND, "nobody was shown who survived"
        assert (story.more_vectors(name), story.more_unmasks(name), story.repeats(name)) == (1, 0, 0)


@at(Point.SURVIVORS, Side.AFTER)
def test_with_stored_survivors_the_same_session_is_unmasked(story: Story) -> None:
    (caught,) = story.death.open
    assert (caught.spec.round, caught.givers) == (ROUND, ())
    assert story.counted == caught.spec.session_id
    for name in SITES:
        assert len(story.death.sites[name].unmasks) == ROUND, "nobody was asked for shares"
        assert (story.more_vectors(name), story.more_unmasks(name), story.repeats(name)) == (0, 0, 0)


@at(Point.SHARE, Side.BEFORE)
def test_a_share_that_was_not_stored_is_asked_for_again_and_comes_in_the_same_bytes(story: Story) -> None:
    (caught,) = story.death.open
    assert caught.givers == ()
    assert story.counted == caught.spec.session_id
    gave = [name for name in SITES if len(story.death.sites[name].of("train")) == ROUND]
    assert gave, "one site's shares were there, or there was nothing to store"
    for name in SITES:
        assert (story.more_vectors(name), story.more_unmasks(name)) == (0, 0)
        assert story.repeats(name) == (1 if name in gave else 0)


@at(Point.SHARE, Side.AFTER)
def test_a_share_that_was_stored_is_not_asked_for_again(story: Story) -> None:
    (caught,) = story.death.open
    assert caught.givers
    assert story.counted == caught.spec.session_id
    for name in SITES:
        assert (story.more_vectors(name), story.more_unmasks(name)) == (0, 0)
        assert story.repeats(name) == 0 or not any(giver.startswith(name) for giver in caught.givers)


@at(Point.ROUND, Side.BEFORE)
def test_a_sum_that_was_not_counted_is_opened_again_from_what_is_stored(story: Story) -> None:
    (caught,) = story.death.open
    assert len(caught.givers) == len(SITES)
    assert max(story.death.rounds) == ROUND - 1, "weights, state and counters come together or not at all"
    assert story.counted == caught.spec.session_id
    for name in SITES:
        assert (story.more_vectors(name), story.more_unmasks(name), story.repeats(name)) == (0, 0, 0)


@at(Point.ROUND, Side.AFTER)
def test_a_round_that_was_counted_is_not_repeated(story: Story) -> None:
    assert story.death.open == (), "the round and the end of its session are one commit"
    assert story.death.rounds[ROUND] == story.end.rounds[ROUND]
    assert story.end.rounds[ROUND].state is not None
    for name in SITES:
        assert (story.more_vectors(name), story.more_unmasks(name), story.repeats(name)) == (0, 0, 0)


@at(Point.VECTOR, Side.BEFORE)
def test_a_vector_that_was_not_written_down_did_not_leave(story: Story) -> None:
    victim = story.death.sites[VICTIM]
    assert len(victim.sessions) == len(victim.vectors) == ROUND
    assert story.counted not in story.death.sessions
    assert story.more_vectors(VICTIM) == 0
    assert all(story.more_unmasks(name) == story.repeats(name) == 0 for name in SITES)


@at(Point.VECTOR, Side.AFTER)
def test_a_session_that_was_written_down_is_never_used_again(story: Story) -> None:
    victim = story.death.sites[VICTIM]
    assert (len(victim.sessions), len(victim.vectors)) == (ROUND + 1, ROUND), "it had not left yet"
    assert story.counted not in story.death.sessions
    assert story.more_vectors(VICTIM) == 0
    assert all(story.more_unmasks(name) == story.repeats(name) == 0 for name in SITES)


@at(Point.RELEASE, Side.BEFORE)
def test_shares_whose_release_was_not_recorded_did_not_leave(story: Story) -> None:
    victim = story.death.sites[VICTIM]
    assert len(victim.of("train")) == ROUND - 1
    assert len(victim.unmasks) == ROUND
    require_opened_in_a_new_session(story)


@at(Point.RELEASE, Side.AFTER)
def test_after_a_recorded_release_the_same_sum_is_opened_over_the_same_sites(story: Story) -> None:
    victim = story.death.sites[VICTIM]
    assert len(victim.of("train")) == ROUND
    assert len(victim.unmasks) == ROUND, "the shares had not left yet"
    require_opened_in_a_new_session(story)


def require_opened_in_a_new_session(story: Story) -> None:
    """Session secrets died with the site; who had released for that model does so again for the same sum alone."""
    assert story.counted not in story.death.sites[VICTIM].sessions
    assert (story.more_vectors(VICTIM), story.more_unmasks(VICTIM)) == (1, 0)
    for name in OTHERS:
        assert (story.more_vectors(name), story.more_unmasks(name)) == (1, 1)
