"""An administrator's question to a running agent that takes its time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoglm_agent import command_line_decide
from autoglm_agent.command_line import main
from autoglm_agent.errors import DaemonNotRunning, StillWorking
from autoglm_agent.ledger import Ledger
from autoglm_agent.local import Answer, ask, listening
from autoglm_core.canonical import Json, canonical_json
from support.agent_sites import SITES, STUDY_ID, Site, make_site, roster_of, toy_study

STUDY = toy_study()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path, SITES[0])


@pytest.fixture
def config(site: Site, tmp_path: Path) -> Path:
    """Of an agent that was offered a study and accepts its roster."""
    roster = roster_of([site, *(make_site(tmp_path, name) for name in SITES[1:])])
    ledger = Ledger(site.state.ledger)
    ledger.offer_roster(roster.hash, roster.encode())
    ledger.accept_roster(roster.hash)
    body = canonical_json(STUDY.to_json())
    ledger.offer_study(STUDY_ID, study_hash=STUDY.hash, body=body, roster_hash=roster.hash)
    ledger.close()
    path = tmp_path / "agent.toml"
    rows = site.config.data["nothing"].path
    path.write_text(
        f'name = "site-a"\nstate = "{site.config.state}"\n[data.nothing]\npath = "{rows}"\nworkload = "synthetic"\n'
    )
    return path


def beside(site: Site, answer: Answer, question: Callable[[], Any]) -> Any:
    """What `question` gives while the socket of `site` has that answer."""

    async def story() -> Any:
        async with asyncio.timeout(30), listening(site.state.socket, answer):
            return await asyncio.to_thread(question)

    return asyncio.run(story())


async def never(request: Json) -> Json:
    await asyncio.Event().wait()
    return {}


def test_an_agent_that_takes_long_is_told_apart_from_none(site: Site) -> None:
    with pytest.raises(StillWorking, match="autoglm-agent status"):
        beside(site, never, lambda: ask(site.state.socket, {"verb": "decided"}, seconds=0.1))
    with pytest.raises(DaemonNotRunning):
        ask(site.state.socket, {"verb": "decided"}, seconds=0.1)


def test_an_approval_that_takes_long_says_where_to_look(
    site: Site, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line_decide, "ANSWER_SECONDS", 0.1)
    assert beside(site, never, lambda: main(["approve", STUDY_ID, "--config", str(config)])) == 0
    said = capsys.readouterr().out
    assert f"{STUDY_ID} approved; the agent is still working after 0.1 s: see `autoglm-agent status`" in said
    assert "when the agent is connected" not in said


def test_the_status_shows_what_an_approved_study_waits_for(
    site: Site, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = "fetching its model: model.safetensors 40 % of 438.0 MB, 2.30 MB/s"

    async def answer(request: Json) -> Json:
        preparing = [{"study": STUDY_ID, "step": step}]
        return {"connected": True, "address": "tune:7443", "tasks": [], "preparing": preparing}

    assert beside(site, answer, lambda: main(["status", "--config", str(config)])) == 0
    assert f"{STUDY_ID}  {step}" in capsys.readouterr().out
