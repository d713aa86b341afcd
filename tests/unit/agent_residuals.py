"""What a site keeps between the rounds of a TUNE, and which of it a round begins with."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoglm_agent.admission import Admitted
from autoglm_agent.residuals import KEPT_ATTEMPTS, KEPT_TUNES, Residuals
from autoglm_agent.training_body import training_body
from autoglm_compression.updates.error_feedback import Compressed, compress, first_residual
from autoglm_core.privacy.ring import levels_for, quantize, rounding_key
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.workload import Vector
from autoglm_workloads.synthetic import WORKLOAD
from support.agent_sites import PARAMETERS, SITES, make_site, make_spec, parameters_manifest, roster_of, toy_study

SITE, SECRET = SITES[0], b"s" * 32
WEIGHT = 60
LOW = {"ring_bits": 16, "random_k": 0.25, "clip": 0.01}


def delta_of(number: int) -> Vector:
    return np.random.default_rng(number).normal(0.0, 0.001, PARAMETERS).astype(np.float32)


@dataclass
class Rounds:
    """One site in the rounds of one TUNE. `folder` outlives the agent."""

    folder: Path
    roster: Roster
    protection: dict[str, Any]

    def spec(self, number: int, **changes: Any) -> SessionSpec:
        """A session of round `number`; each has an id of its own."""
        study = toy_study(protection=self.protection)
        return replace(make_spec(parameters_manifest(b"weights"), self.roster, study), round=number, **changes)

    def send(self, spec: SessionSpec, *, after: SessionSpec | None, weight: int = WEIGHT) -> bytes:
        """What a freshly started agent sends in the session; `after`: the session in which the site counted last."""
        counted = {} if after is None else {SITES[1]: "77" * 32, SITE: after.session_id.hex()}
        manifest = replace(parameters_manifest(b"weights"), counted=counted)
        study = toy_study(protection=self.protection)
        admitted = Admitted(spec, manifest, study, WORKLOAD, self.roster, ())
        body, _ = training_body(
            delta_of(spec.round),
            weight=weight,
            admitted=admitted,
            site_id=SITE,
            secret=SECRET,
            residuals=Residuals(self.folder),
        )
        return body.tobytes()

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


def expected(spec: SessionSpec, residual: Vector | None) -> Compressed:
    """What the round is to send and to leave; without a residual it is the first of its TUNE."""
    if residual is None:
        residual = first_residual(weight=WEIGHT, spec=spec, rounding_key=rounding_key(SECRET, spec))
    return compress(delta_of(spec.round), residual, weight=WEIGHT, spec=spec)


@pytest.fixture
def rounds(tmp_path: Path) -> Rounds:
    return Rounds(tmp_path / "residuals", roster_of([make_site(tmp_path, name) for name in SITES]), LOW)


def test_a_round_begins_with_what_the_one_that_counted_left(rounds: Rounds) -> None:
    """Each round in an agent of its own: the residual is on disk before the vector can leave."""
    first, second = rounds.spec(1), rounds.spec(2)
    before = expected(first, None)
    assert rounds.send(first, after=None) == before.body.tobytes()
    assert rounds.send(second, after=first) == expected(second, before.residual).body.tobytes()
    assert rounds.send(second, after=first) != expected(second, None).body.tobytes()


def test_a_round_in_which_the_site_did_not_count_leaves_nothing(rounds: Rounds) -> None:
    first, lost, third = rounds.spec(1), rounds.spec(2), rounds.spec(3)
    rounds.send(first, after=None)
    rounds.send(lost, after=first)
    assert rounds.send(third, after=first) == expected(third, expected(first, None).residual).body.tobytes()
    [kept, _] = rounds.files()
    assert kept.name == f"1-{first.session_id.hex()}", "what did not count is gone, what still may is there"


def test_a_site_that_never_counted_begins_with_nothing(rounds: Rounds) -> None:
    rounds.send(rounds.spec(1), after=None)
    second = rounds.spec(2)
    assert rounds.send(second, after=None) == expected(second, None).body.tobytes()


def test_a_round_tried_again_sends_the_same_bits(rounds: Rounds) -> None:
    """Else the site would refuse the second session once it released shares for the first."""
    first = rounds.spec(1)
    rounds.send(first, after=None)
    sent = {rounds.send(rounds.spec(2, attempt=attempt), after=first) for attempt in range(1, 12)}
    assert len(sent) == 1


def test_of_attempts_over_different_cohorts_the_one_that_counted_is_taken_up(rounds: Rounds) -> None:
    """Over fewer sites the levels are finer: each attempt rounds otherwise and leaves a residual of its own."""
    first = rounds.spec(1)
    rounds.send(first, after=None)
    base = expected(first, None).residual
    attempts = [rounds.spec(2, levels=levels_for(sites, 16)) for sites in (4, 3)]
    for spec in attempts:
        rounds.send(spec, after=first)
    for counted in attempts:
        third = rounds.spec(3)
        assert rounds.send(third, after=counted) == expected(third, expected(counted, base).residual).body.tobytes()
        for spec in attempts:
            rounds.send(spec, after=first)  # a late attempt of a round that is over does no harm
    assert expected(attempts[0], base).residual.tobytes() != expected(attempts[1], base).residual.tobytes()


def test_a_lost_residual_is_told_and_done_without(rounds: Rounds, caplog: pytest.LogCaptureFixture) -> None:
    first, second = rounds.spec(1), rounds.spec(2)
    rounds.send(first, after=None)
    [path] = rounds.files()
    path.write_bytes(path.read_bytes()[:-4])
    with caplog.at_level(logging.WARNING):
        assert rounds.send(second, after=first) == expected(second, None).body.tobytes()
    assert "begins without" in caplog.text


def test_only_the_sites_own_user_reads_them(rounds: Rounds) -> None:
    rounds.send(rounds.spec(1), after=None)
    [path] = rounds.files()
    assert path.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in (path.parent, path.parents[1], rounds.folder)} == {0o700}
    assert np.array_equal(np.frombuffer(path.read_bytes(), "<f4"), expected(rounds.spec(1), None).residual)


def test_the_last_round_leaves_nothing(rounds: Rounds) -> None:
    last = rounds.spec(toy_study().rounds)
    assert rounds.send(last, after=None) == expected(last, None).body.tobytes()
    assert rounds.files() == []


def test_a_site_without_rows_keeps_its_input(rounds: Rounds) -> None:
    first, second = rounds.spec(1), rounds.spec(2)
    assert not any(rounds.send(first, after=None, weight=0))
    assert rounds.send(second, after=first) == expected(second, delta_of(1)).body.tobytes()


def test_with_32_bits_and_every_parameter_nothing_is_kept_and_the_bits_are_as_ever(rounds: Rounds) -> None:
    plain = replace(rounds, protection={})
    for number in (1, 2):
        spec = plain.spec(number)
        body, _ = quantize(delta_of(number), weight=WEIGHT, spec=spec, rounding_key=rounding_key(SECRET, spec))
        assert plain.send(spec, after=None) == body.tobytes()
    assert plain.files() == []


def test_a_coordinator_that_tries_for_ever_fills_no_disk(rounds: Rounds) -> None:
    first = rounds.spec(1)
    rounds.send(first, after=None)
    for _ in range(3 * KEPT_ATTEMPTS):
        rounds.send(rounds.spec(2), after=first)
    assert len(rounds.files()) == KEPT_ATTEMPTS + 1
    assert f"1-{first.session_id.hex()}" in {path.name for path in rounds.files()}
    for number in range(3 * KEPT_TUNES):
        rounds.send(rounds.spec(1, trial=f"tune-{number}"), after=None)
    assert len(list(rounds.folder.glob("*/*"))) == KEPT_TUNES


@pytest.mark.parametrize("name", ["../../outside", "/etc", "a" * 5000, "", "\x00"])
def test_ids_of_the_coordinators_choice_name_no_place_of_theirs(rounds: Rounds, name: str) -> None:
    rounds.send(rounds.spec(1, study_id=name, trial=name), after=None)
    [path] = rounds.files()
    assert path.parents[2] == rounds.folder


def test_a_study_that_is_over_leaves_nothing(rounds: Rounds) -> None:
    residuals = Residuals(rounds.folder)
    residuals.forget("never-heard-of")
    residuals.forget_all_but(["never-heard-of"])
    for study in ("one", "two", "three"):
        rounds.send(rounds.spec(1, study_id=study), after=None)
    residuals.forget("one")
    assert len(rounds.files()) == 2
    residuals.forget_all_but(["two", "four"])
    assert len(rounds.files()) == 1
    residuals.forget("two")
    assert rounds.files() == []
