"""The command line against a real coordinator process that has no agents yet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from autoglm.command_line import main
from autoglm.control import ControlClient, login_with_token
from autoglm.credentials import load_credentials
from autoglm.errors import CoordinatorUnreachable
from autoglm.run_folder import RunFolder
from autoglm.simulated_deployment import READY, START_SECONDS, SimulatedDeployment
from autoglm_core.errors import RemoteError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return RunFolder(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def deployment(folder: RunFolder) -> Iterator[SimulatedDeployment]:
    with SimulatedDeployment(folder, [], minimum_cohort=3) as deployment:
        yield deployment


@pytest.fixture
def client(deployment: SimulatedDeployment) -> ControlClient:
    return deployment.client


@pytest.fixture
def home(folder: RunFolder, deployment: SimulatedDeployment, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOGLM_HOME", str(folder.operator))
    return folder.operator


def test_a_new_deployment_is_empty(client: ControlClient) -> None:
    assert client.agents() == []
    assert client.studies() == []


def test_without_a_roster_the_coordinator_says_how_to_get_one(client: ControlClient) -> None:
    with pytest.raises(RemoteError, match="autoglm roster propose") as caught:
        client.roster()
    assert caught.value.remote_code == "no-roster"


def test_an_operator_token_is_good_for_one_login(client: ControlClient) -> None:
    token = client.create_join_token("second", valid=timedelta(minutes=5), operator=True)
    credentials = login_with_token(token)
    with ControlClient(credentials) as second:
        assert second.studies() == []
    with pytest.raises(RemoteError) as caught:
        login_with_token(token)
    assert caught.value.remote_code == "token-used"


def test_a_token_for_an_agent_logs_nobody_in(client: ControlClient) -> None:
    token = client.create_join_token("st-mary", valid=timedelta(minutes=5))
    with pytest.raises(RemoteError, match="autoglm-agent join"):
        login_with_token(token)


@pytest.mark.parametrize("verb", [["front"], ["watch"], ["trials"], ["stop"], ["status"]], ids=lambda verb: verb[0])
def test_an_unknown_study_is_one_line_and_exit_code_2(
    home: Path, capsys: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    assert main([*verb, "heart-000000"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("autoglm: ")
    assert len(captured.err.splitlines()) == 1


def test_join_token_prints_the_token_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["join-token", "st-mary", "--valid", "2h"]) == 0
    assert capsys.readouterr().out.startswith("AGM1.127.0.0.1:")


def test_an_empty_deployment_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agents"]) == 0
    assert main(["status"]) == 0
    assert capsys.readouterr().out == "no agents yet\nno studies yet\n"


def test_a_login_outlives_the_coordinator(folder: RunFolder, deployment: SimulatedDeployment) -> None:
    coordinator = deployment.daemon("coordinator")
    with ControlClient(load_credentials(folder.operator)) as client:
        coordinator.kill()
        with pytest.raises(CoordinatorUnreachable, match="autoglm-coordinator run"):
            client.studies()
        coordinator.start()
        coordinator.wait_for_line(READY, seconds=START_SECONDS)
        assert client.studies() == []
