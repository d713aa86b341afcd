"""A study's model on its way: asked for at approval, refused where it is missing, served by the coordinator by hash."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_agent.command_line import main
from autoglm_agent.config import Approval, PolicyConfig
from autoglm_agent.download import Room
from autoglm_agent.ledger import Ledger
from autoglm_agent.local import ask
from autoglm_agent.model_delivery import FileDownload
from autoglm_agent.model_progress import WatchedDownload
from autoglm_agent.policy import judge
from autoglm_coordinator.federation.transport import EndStudy, OfferStudy
from autoglm_coordinator.service.stream import Grants
from autoglm_coordinator.trials.submission import verify_model
from autoglm_core.canonical import canonical_json, digest
from autoglm_core.codes import RefusalCode, RefusedWith
from autoglm_core.study import Study
from autoglm_workloads.models import shelf
from autoglm_workloads.models.describe import describe
from autoglm_workloads.models.errors import ModelMissing
from autoglm_workloads.models.files import listing
from autoglm_workloads.models.shelf import ShelvedModel
from support.agent_deployment import deployment, run
from support.agent_sites import PARAMETERS, SITES, STUDY_ID, make_site, roster_of, toy_study
from support.text_models import on_shelf, tiny_glm4

HUB = "hub:zai-org/glm-4-9b-chat-hf@8599336fc6c125203efb2360bfaf4c80eef1d1bf"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ShelvedModel:
    """On the coordinator's shelf."""
    return tiny_glm4(tmp_path_factory.mktemp("coordinator"))


@pytest.fixture(autouse=True)
def _site_shelf(tmp_path: Path) -> Iterator[None]:
    with on_shelf(tmp_path / "shelf"):
        yield


def study_of(content: str, source: str) -> Study:
    study = toy_study()
    return replace(study, model_options={"parameters": PARAMETERS, "content": content, "source": source})


def served(model: ShelvedModel) -> dict[str, bytes]:
    files = {sha256: (model.path / name).read_bytes() for name, sha256 in model.files.items()}
    return {model.content: listing(model.files), **files}


def test_a_model_comes_with_the_approval_and_is_checked(model: ShelvedModel, tmp_path: Path) -> None:
    async def story() -> None:
        async with deployment(tmp_path, study=study_of(model.content, "coordinator")) as here:
            here.coordinator.artifacts.update(served(model))
            await here.approved()

    run(story)
    (found,) = shelf.shelved()
    assert shelf.find(model.content).description == model.description
    assert (found.name, found.source) == ("vector", "coordinator")
    assert [path.name for path in (tmp_path / "shelf").iterdir()] == [model.content]


def test_a_model_on_its_way_is_shown_by_the_status(model: ShelvedModel, tmp_path: Path) -> None:
    async def story() -> None:
        async with deployment(tmp_path, study=study_of(model.content, "coordinator")) as here:
            here.coordinator.artifacts.update(served(model))
            rest = here.coordinator.held[model.files["model.safetensors"]] = asyncio.Event()
            site = here.sites[0]
            here.offer_study(site)
            await here.coordinator.holding.wait()
            status = await asyncio.to_thread(ask, site.state.socket, {"verb": "status"})
            (told,) = status["preparing"]
            assert told["study"] == STUDY_ID
            assert told["step"].startswith("fetching its model: model.safetensors ")
            rest.set()
            await here.coordinator.said(site.name, "decision")
            status = await asyncio.to_thread(ask, site.state.socket, {"verb": "status"})
            assert status["preparing"] == []

    run(story)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_bytes_that_came_are_logged_every_half_minute(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    part, clock, size = tmp_path / "part", Clock(), 10**7
    part.write_bytes(bytes(10**6))
    download = FileDownload("0" * 64, part, Room(size))
    watched = WatchedDownload(download, study_id=STUDY_ID, name="model.safetensors", clock=clock)
    assert str(watched) == "model.safetensors 1.0 MB, 0.00 MB/s"
    watched.begin()
    with caplog.at_level(logging.INFO, "autoglm_agent.model_progress"):
        for _ in range(8):
            clock.now += 10.0
            watched.add(size, bytes(10**6))
    assert caplog.messages == [
        f"study {STUDY_ID}: fetching its model: model.safetensors {share} % of 10.0 MB, 0.10 MB/s" for share in (40, 70)
    ]
    assert (watched.offset, watched.complete) == (9 * 10**6, False)


def test_a_model_that_was_exchanged_is_refused_and_its_study_with_it(model: ShelvedModel, tmp_path: Path) -> None:
    artifacts = served(model)
    weights = model.files["model.safetensors"]
    artifacts[weights] = artifacts[weights][:-1] + b"!"

    async def story() -> None:
        async with deployment(tmp_path, study=study_of(model.content, "coordinator")) as here:
            here.coordinator.artifacts.update(artifacts)
            site = here.sites[0]
            here.offer_study(site)
            decision = await here.coordinator.said(site.name, "decision")
            assert not decision.approved
            assert decision.code == "artifact-damaged"

    run(story)
    assert not list(shelf.shelved())


def test_a_broken_download_goes_on_from_its_last_byte(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4
    part = tmp_path / "part"
    first = FileDownload(digest(data), part, Room(len(data)))
    first.begin()
    first.add(len(data), data[:300])
    again = FileDownload(digest(data), part, Room(len(data)))
    assert again.offset == 300
    again.begin()
    again.add(len(data), data[300:])
    assert again.complete
    again.finish(tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == data
    greedy = FileDownload(digest(data), part, Room(10))
    greedy.begin()
    with pytest.raises(RefusedWith, match="artifact-damaged"):
        greedy.add(11, b"")


def test_only_who_was_offered_the_study_reads_its_model_and_only_while_it_lasts(model: ShelvedModel) -> None:
    body = canonical_json(study_of(model.content, "coordinator").to_json())
    grants = Grants()
    with on_shelf(model.path.parent):
        grants.record("site-a", OfferStudy("toy-1", body, "roster"))
        grants.record("site-b", OfferStudy("toy-2", canonical_json(toy_study().to_json()), "roster"))
    granted = grants.served("site-a", "toy-1")
    assert granted is not None
    for sha256, data in served(model).items():
        opened = granted.open(sha256, 5)
        assert opened is not None
        with opened[0] as file:
            assert (file.read(), opened[1]) == (data[5:], len(data))
    assert granted.open(digest(b"something else"), 0) is None
    assert grants.served("site-b", "toy-2") is None
    assert grants.served("site-b", "toy-1") is None
    grants.record("site-a", EndStudy("toy-1"))
    assert grants.served("site-a", "toy-1") is None


@pytest.mark.parametrize(
    ("source", "code"),
    [(HUB, RefusalCode.MODEL_MISSING), ("site", RefusalCode.MODEL_MISSING), ("coordinator", RefusalCode.OK)],
)
def test_a_site_takes_part_only_with_the_model_or_a_way_to_it(
    source: str, code: RefusalCode, model: ShelvedModel, tmp_path: Path
) -> None:
    config, study = make_site(tmp_path, "site-a").config, study_of(model.content, source)
    assert judge(config, study, roster_accepted=True) is code
    with on_shelf(model.path.parent):
        assert judge(config, study, roster_accepted=True) is RefusalCode.OK


def test_an_administrator_is_told_which_model_and_how_to_get_it(
    model: ShelvedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sites = [make_site(tmp_path, name, policy=PolicyConfig(Approval.ASK)) for name in SITES]
    roster, site, study = roster_of(sites), sites[0], study_of(model.content, HUB)
    ledger = Ledger(site.state.ledger)
    ledger.offer_roster(roster.hash, roster.encode())
    ledger.accept_roster(roster.hash)
    body = canonical_json(study.to_json())
    ledger.offer_study(STUDY_ID, study_hash=study.hash, body=body, roster_hash=roster.hash)
    ledger.close()
    toml = tmp_path / "agent.toml"
    toml.write_text(
        f'name = "site-a"\nstate = "{site.config.state}"\n[models]\npath = "models"\n'
        f'[data.nothing]\npath = "{site.config.data["nothing"].path}"\nworkload = "synthetic"\n'
    )

    def typed(*words: str) -> int:
        return main([*words, "--config", str(toml)])

    command = f"autoglm-agent models fetch {HUB[4:]}"
    for verb in (("studies",), ("show", STUDY_ID)):
        assert typed(*verb) == 0
        assert command in capsys.readouterr().out
    assert typed("approve", STUDY_ID) == 1
    assert command in capsys.readouterr().err
    with on_shelf(tmp_path / "models"):
        shelf.put(model.path, describe=describe)
    assert typed("show", STUDY_ID) == 0
    assert f"({model.content[:12]}, {HUB}): on the shelf" in capsys.readouterr().out
    assert typed("approve", STUDY_ID) == 0


def test_a_coordinator_without_the_model_refuses_the_study(model: ShelvedModel) -> None:
    with pytest.raises(ModelMissing, match=f"`autoglm-coordinator models fetch {HUB[4:]}`"):
        asyncio.run(verify_model(study_of(model.content, HUB)))
    with on_shelf(model.path.parent):
        asyncio.run(verify_model(study_of(model.content, HUB)))
