"""Models by command line: fetched from a hub on loopback, added, made, listed, removed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoglm_agent.command_line import main as agent
from autoglm_coordinator.command_line import main as coordinator
from autoglm_workloads.models import shelf
from autoglm_workloads.models.create import Sizes, create
from autoglm_workloads.models.describe import describe
from support.loopback_hub import COMMIT, Hub, serving
from support.text_models import on_shelf, write_tokenizer

NAME = "acme/tiny-bert"
LONG = Sizes(hidden=32, layers=1, heads=2, inner=32, positions=100_000)
"""Its embedding of positions takes 12.8 MB, more than the 10 MB that the hub's library writes at once."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("repository")
    folder = create("bert", place / "tiny-bert", tokenizer=write_tokenizer(place / "tokenizer.json"), sizes=LONG)
    (folder / "README.md").write_text("a model")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle beside safetensors stays where it is")
    return folder


@pytest.fixture
def hub(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with on_shelf(tmp_path / "shelf"), serving({NAME: repository}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        yield hub


def fetch(model: str) -> int:
    return agent(["models", "fetch", model, "--config", "absent.toml"])


def test_an_interrupted_fetch_goes_on_and_prints_what_a_study_needs(
    hub: Hub, tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.stop_after = 11_000_000
    assert fetch(f"{NAME}@{COMMIT}") == 1
    assert "goes on where it stopped" in capsys.readouterr().err
    hub.stop_after = hub.refused = None
    assert fetch(f"{NAME}@{COMMIT}") == 0
    assert hub.ranges == ["bytes=10485760-"]
    (model,) = shelf.shelved()
    assert shelf.find(model.content).description == describe(repository)
    said = capsys.readouterr().out
    assert f"    content: {model.content}\n    source: hub:{NAME}@{COMMIT}\n    max_length: 128\n" in said
    assert not any("README" in line or ".bin" in line for line in hub.requests)
    assert hub.authorizations == {("127.0.0.1", "Bearer hf_secret"), ("localhost", "")}
    assert sorted(os.listdir(tmp_path / "shelf")) == [model.content]
    asked = len(hub.requests)
    assert fetch(f"{NAME}@{COMMIT}") == 0
    assert len(hub.requests) == asked


REFUSALS = {
    "a branch": (f"{NAME}@main", None, 2, f"fetch {NAME}@{COMMIT}"),
    "no revision": (NAME, None, 2, f"fetch {NAME}@{COMMIT}"),
    "an unknown repository": (f"acme/none@{COMMIT}", None, 1, "correct the name"),
    "an unknown revision": (f"{NAME}@{'0' * 40}", None, 1, "has no revision"),
    "a gated one": (f"{NAME}@{COMMIT}", (403, "GatedRepo"), 1, "accept its terms"),
    "a bad token": (f"{NAME}@{COMMIT}", (401, ""), 1, "HF_TOKEN"),
    "a hub that is down": (f"{NAME}@{COMMIT}", (503, ""), 1, "it answered 503"),
    "a name that is none": ("../../etc", None, 2, "OWNER/NAME@REVISION"),
}


@pytest.mark.parametrize("wrong", REFUSALS)
def test_a_fetch_that_cannot_be_says_why(hub: Hub, wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    model, hub.refused, code, told = REFUSALS[wrong]
    assert fetch(model) == code
    assert told in capsys.readouterr().err
    assert not list(shelf.shelf_folder().glob("*"))


def test_a_machine_without_the_packages_is_told_which(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A package that no index has: an environment without the real ones would take a minute to make.
    monkeypatch.setattr("autoglm_workloads.models.command_line.PACKAGES", ("torch", "absent_package"))
    assert fetch(f"{NAME}@{COMMIT}") == 1
    assert "absent_package not installed: run pip install 'autoglm[train]'" in capsys.readouterr().err
    assert hub.requests == []


def test_no_hub_at_all(hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert fetch(f"{NAME}@{COMMIT}") == 1
    assert "cannot be reached (ConnectError)" in capsys.readouterr().err


def test_bytes_that_changed_on_their_way_are_refused(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.damaged = True
    assert fetch(f"{NAME}@{COMMIT}") == 2
    assert "did not arrive as the hub has it" in capsys.readouterr().err


def test_code_and_pickles_are_refused_before_weights_are_fetched(
    hub: Hub, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "coded").mkdir()
    for name in ("tokenizer.json", "model.safetensors"):
        (tmp_path / "coded" / name).symlink_to(repository / name)
    config = json.loads((repository / "config.json").read_text()) | {"model_type": "chatglm"}
    (tmp_path / "coded" / "config.json").write_text(json.dumps(config))
    hub.models["acme/coded"] = tmp_path / "coded"
    assert fetch(f"acme/coded@{COMMIT}") == 2
    assert "zai-org/glm-4-9b-chat-hf" in capsys.readouterr().err
    (tmp_path / "coded" / "model.safetensors").rename(tmp_path / "coded" / "pytorch_model.bin")
    assert fetch(f"acme/coded@{COMMIT}") == 2
    assert "pytorch_model.bin is a pickle" in capsys.readouterr().err
    assert not any("model.safetensors" in line or ".bin" in line for line in hub.requests)


def test_what_is_made_is_listed_and_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = write_tokenizer(tmp_path / "tokenizer.json")
    toml = tmp_path / "coordinator.toml"
    toml.write_text('deployment = "north"\naddress = "localhost"\nstate = "."\n[models]\npath = "models"\n')
    with on_shelf(tmp_path / "unused"):
        state = ["--state", str(tmp_path)]
        sizes = ["--hidden", "32", "--layers", "1", "--heads", "2"]
        assert coordinator(["models", "create", "glm4", "--tokenizer", str(tokenizer), *sizes, *state]) == 0
        assert "source: coordinator" in capsys.readouterr().out
        (model,) = shelf.shelved()
        assert model.path.parent == tmp_path / "models"
        assert coordinator(["models", "list", *state]) == 0
        assert f"{model.content[:12]}  glm4-32x1  glm4, " in capsys.readouterr().out
        assert coordinator(["models", "remove", model.content[:3], *state]) == 2
        assert coordinator(["models", "remove", model.content[:12], *state]) == 0
        assert coordinator(["models", "list", *state]) == 0
        assert capsys.readouterr().out.endswith("is empty\n")
