"""What an administrator types, and what is said when it cannot be done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autoglm_agent.audit import AuditLog
from autoglm_agent.command_line import main
from autoglm_agent.config import Approval, PolicyConfig
from autoglm_agent.files import write_durable
from autoglm_agent.ledger import Ledger, StudyState
from autoglm_core.canonical import canonical_json
from autoglm_core.privacy.roster import Roster
from support.agent_sites import SITES, STUDY_ID, Site, make_site, roster_of, toy_study

STUDY = toy_study()


@pytest.fixture
def sites(tmp_path: Path) -> list[Site]:
    return [make_site(tmp_path, name, policy=PolicyConfig(Approval.ASK)) for name in SITES]


@pytest.fixture
def config(sites: list[Site], tmp_path: Path) -> Path:
    path = tmp_path / "agent.toml"
    rows = sites[0].config.data["nothing"].path
    path.write_text(
        f'name = "site-a"\nstate = "{sites[0].config.state}"\n[data.nothing]\npath = "{rows}"\nworkload = "synthetic"\n'
    )
    return path


@pytest.fixture
def roster(sites: list[Site]) -> Roster:
    roster = roster_of(sites)
    ledger = Ledger(sites[0].state.ledger)
    ledger.offer_roster(roster.hash, roster.encode())
    body = canonical_json(STUDY.to_json())
    ledger.offer_study(STUDY_ID, study_hash=STUDY.hash, body=body, roster_hash=roster.hash)
    ledger.close()
    return roster


def state_of(site: Site) -> StudyState:
    ledger = Ledger(site.state.ledger)
    try:
        return ledger.study(STUDY_ID).state
    finally:
        ledger.close()


def typed(config: Path, *words: str) -> int:
    return main([*words, "--config", str(config)])


def test_a_first_day_without_a_running_daemon(
    sites: list[Site], config: Path, roster: Roster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(config, "approve", STUDY_ID) == 2
    assert "roster accept" in capsys.readouterr().err
    assert typed(config, "roster", "show") == 0
    shown = capsys.readouterr().out
    assert all(site.key.fingerprint[:16] in shown for site in sites)
    assert typed(config, "roster", "accept", roster.hash[:8]) == 0
    assert typed(config, "show", STUDY_ID) == 0
    assert STUDY.hash in capsys.readouterr().out
    assert typed(config, "approve", STUDY_ID) == 0
    assert "when the agent is connected" in capsys.readouterr().out
    assert state_of(sites[0]) is StudyState.APPROVED
    assert typed(config, "studies") == 0
    assert f"{STUDY_ID}  approved" in capsys.readouterr().out
    assert typed(config, "withdraw", STUDY_ID) == 0
    assert state_of(sites[0]) is StudyState.WITHDRAWN


def test_deny_is_kept_with_its_reason(sites: list[Site], config: Path, roster: Roster) -> None:
    assert typed(config, "deny", STUDY_ID) == 0
    assert state_of(sites[0]) is StudyState.DENIED


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "nothing-1"), "`autoglm-agent studies` lists them"),
        (("roster", "accept", "ffff"), "begins with 'ffff'"),
        (("data", "check", "hart"), "[data.hart]"),
        (("status",), "autoglm-agent run"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(
    config: Path, roster: Roster, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert typed(config, *words) == 1
    assert said in capsys.readouterr().err


def test_a_roster_with_another_key_for_this_site_cannot_be_accepted(
    sites: list[Site], config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = make_site(tmp_path / "stranger", "site-a")
    roster = roster_of([stranger, *sites[1:]])
    ledger = Ledger(sites[0].state.ledger)
    ledger.offer_roster(roster.hash, roster.encode())
    ledger.close()
    assert typed(config, "roster", "accept", roster.hash) == 1
    assert "do not accept it" in capsys.readouterr().err


def test_data_check_reads_the_rows_as_the_study_would(
    sites: list[Site], config: Path, roster: Roster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(config, "data", "check", "nothing") == 0
    assert f"schema {STUDY.schema.hash[:8]}" in capsys.readouterr().out


def test_an_agent_that_never_joined_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "agent.toml"
    path.write_text('name = "a"\nstate = "s"\n')
    assert typed(path, "run") == 1
    assert "autoglm-agent join TOKEN" in capsys.readouterr().err


def test_a_misspelt_key_is_an_input_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "agent.toml"
    path.write_text('name = "a"\nstat = "s"\n')
    assert typed(path, "run") == 2
    assert "did you mean 'state'" in capsys.readouterr().err


def test_a_log_that_was_cut_behind_an_acknowledged_head_does_not_verify(
    sites: list[Site], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = sites[0].state
    log = AuditLog(state.audit)
    for number in range(3):
        log.append("hello", size=1, sha256=f"{number:064x}")
    head = log.flush()
    kept = {"sequence": head.sequence, "head": head.head, "signature": head.sign(sites[0].key).hex()}
    write_durable(state.kept_head, canonical_json(kept))
    log.close()
    assert typed(config, "audit", "verify") == 0
    assert "3 of them acknowledged" in capsys.readouterr().out
    lines = state.audit.read_bytes().splitlines(keepends=True)
    state.audit.write_bytes(b"".join(lines[:2]))
    assert typed(config, "audit", "verify") == 1
    assert "acknowledged are missing" in capsys.readouterr().err


def test_the_daemon_knows_every_workload_and_imports_no_framework() -> None:
    program = (
        "import sys, autoglm_agent.daemon\n"
        "from autoglm_workloads.registry import load_workload, workload_names\n"
        "[load_workload(name) for name in workload_names()]\n"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'optuna', 'yaml', 'sqlalchemy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
