"""Sites that break the secure sum, over real daemons: found, named, left out, and back only by an operator's word.

One of the agents is support/cheating_agent.py, which lies in the second round of each TUNE.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autoglm.processes import Daemon, daemon_environment, program, run_to_end
from autoglm.simulate import Simulation
from support import cheating_agent
from support.cheating_agent import ROUND, Cheat
from support.cluster import COORDINATOR
from support.disturbed import Disturbed, prepare, twin
from support.simulations import durable, synthetic

CHEAT = "site-2"
COMMAND_SECONDS = 60.0
pytestmark = pytest.mark.timeout(240)


@contextmanager
def with_a_cheat(simulation: Simulation, deployment: Path, cheat: Cheat) -> Iterator[Disturbed]:
    """A cluster in which one site runs the cheating agent."""
    with Disturbed(simulation, deployment) as cluster:
        config = cluster.folder.agent(CHEAT) / "agent.toml"
        command = [sys.executable, cheating_agent.__file__, cheat, "run", "--config", str(config)]
        daemon = Daemon(CHEAT, command, log=cluster.folder.log("cheat"))
        cluster.kill(CHEAT)
        daemon.start()
        try:
            cluster.wait_connected(CHEAT)
            yield cluster
        finally:
            daemon.sweep()


def typed(cluster: Disturbed, *words: str) -> str:
    """What an operator is printed."""
    environment = {**daemon_environment(), "AUTOGLM_HOME": str(cluster.folder.operator)}
    command = [program("autoglm"), *words]
    return run_to_end("autoglm", command, seconds=COMMAND_SECONDS, environment=environment)


def blamed(cluster: Disturbed, study: str) -> list[dict[str, object]]:
    """As in result.json."""
    found: list[dict[str, object]] = json.loads(cluster.client.result(study))["blamed"]
    return found


def entry(code: str, *, readmitted: bool = False) -> dict[str, object]:
    return {"site": CHEAT, "code": code, "purpose": "train", "round": ROUND, "readmitted": readmitted}


def test_a_wrong_answer_spoils_nothing_and_its_site_is_out_until_it_is_readmitted(deployment: Path) -> None:
    with with_a_cheat(synthetic(trials=4), deployment, Cheat.ANSWERS_WRONG) as cluster:
        cheat = cluster.site_id(CHEAT)
        first = cluster.submit()
        cluster.wait_for(first, lambda now: now.trials_final >= 1)
        cluster.restart(COORDINATOR)
        result = cluster.wait_for_result(first)
        rounds = cluster.stored.rounds()
        assert f"{CHEAT}: bad-share" in typed(cluster, "status", first)
        listed = typed(cluster, "agents")
        assert "connected, barred" in listed
        assert f"autoglm agents --readmit {CHEAT}" in listed
        assert blamed(cluster, first) == [entry("bad-share")]

        typed(cluster, "agents", "--readmit", CHEAT)
        assert "barred" not in typed(cluster, "agents")
        cluster.wait_for_result(cluster.submit(key="second"))
        assert blamed(cluster, first) == [entry("bad-share", readmitted=True)]
    assert {str(trial.state) for trial in result.trials} == {"completed"}
    spoilt = next(index for index, kept in enumerate(rounds) if kept.round == ROUND)
    assert cheat in rounds[spoilt].survivors, "its vector was good, and three others opened the sum"
    assert all(cheat not in kept.survivors for kept in rounds[spoilt + 1 :] if kept.round)


def test_a_site_that_deals_wrong_shares_is_left_out_of_the_retry_of_that_round(deployment: Path) -> None:
    with with_a_cheat(synthetic(trials=4), deployment, Cheat.DEALS_WRONG) as cluster:
        cheat, study = cluster.site_id(CHEAT), cluster.submit()
        result = cluster.wait_for_result(study)
        assert blamed(cluster, study) == [entry("accused")]
        assert f"{CHEAT}: accused" in typed(cluster, "status", study)
        rounds = [kept for kept in cluster.stored.rounds() if kept.round]
    assert {str(trial.state) for trial in result.trials} == {"completed"}
    first = next(index for index, kept in enumerate(rounds) if kept.round == ROUND)
    assert all(cheat in kept.survivors for kept in rounds[:first])
    assert all(cheat not in kept.survivors and len(kept.survivors) == 3 for kept in rounds[first:])
    assert all(kept.dropped == () for kept in rounds[first:]), "it was not even asked"


def test_a_dealer_of_another_secret_costs_one_tune_and_no_other(deployment: Path) -> None:
    """Shares for that model went out over a list with the cheat in it: no site gives any for another list."""
    with with_a_cheat(synthetic(trials=4), deployment, Cheat.DEALS_ANOTHER) as cluster:
        cheat, study = cluster.site_id(CHEAT), cluster.submit()
        result = cluster.wait_for_result(study)
        assert blamed(cluster, study) == [entry("bad-dealer")]
        rounds = [kept for kept in cluster.stored.rounds() if kept.round]
        assert cluster.stored.open_sessions() == []
    failed = [trial.error for trial in result.trials if str(trial.state) == "failed"]
    assert failed
    for error in failed:
        assert error is not None
        assert error["code"] == "session-failed"
        assert error["blamed"] == f"{CHEAT} (bad-dealer)"
    completed = {trial.configuration.tune_key for trial in result.trials if str(trial.state) == "completed"}
    assert completed, "the next TUNE went on without the cheat"
    assert all(cheat not in kept.survivors for kept in rounds[1:])


def test_a_study_that_cannot_do_without_the_cheat_fails_once_and_names_it(tmp_path: Path) -> None:
    agreed = prepare(durable(trials=3), tmp_path / "prepared")
    deployment = twin(agreed, tmp_path / "run")
    with with_a_cheat(durable(trials=3), deployment, Cheat.ANSWERS_WRONG) as cluster:
        study = cluster.submit()
        ended = cluster.wait_for(study, lambda now: now.final)
        states = cluster.stored.trial_states()
    assert (ended.state, ended.error_code) == ("failed", "sites-barred")
    assert f"{CHEAT} (bad-share)" in ended.error
    assert "2 sites are left where 3 are needed" in ended.error
    assert states.count("failed") == 1, "the budget is not burnt"
