"""coordinator.toml and `init`: strict, and never over an earlier deployment."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from autoglm_coordinator.config import BadConfig, CoordinatorConfig, DeadlineConfig, Listen, load_config
from autoglm_coordinator.initialise import AlreadyInitialised, initialise
from autoglm_coordinator.pki.authority import Authority
from autoglm_core.privacy.sealing import StudyKey
from support.stores import Deployment

WHOLE = """
deployment = "north"
address = "tune.example.org"
state = "state"
[listen]
host = "127.0.0.1"
join_port = 1
port = 2
[store]
url = "postgresql+psycopg://db/autoglm"
[deadlines]
work = "2h"
answer = "45s"
[uploads]
memory_mb = 200
"""


def load(folder: Path, text: str) -> CoordinatorConfig:
    path = folder / "coordinator.toml"
    path.write_text(text)
    return load_config(path)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    config = load(tmp_path, WHOLE)
    assert config == CoordinatorConfig(
        deployment="north",
        address="tune.example.org",
        state=tmp_path / "state",
        listen=Listen("127.0.0.1", 1, 2),
        store_url="postgresql+psycopg://db/autoglm",
        deadlines=DeadlineConfig(timedelta(hours=2), timedelta(seconds=45), DeadlineConfig.gather),
        upload_bytes=200_000_000,
    )
    assert (config.join_address, config.mutual_address) == ("tune.example.org:1", "tune.example.org:2")


@pytest.mark.parametrize(
    ("old", "new", "key", "told"),
    [
        ('deployment = "north"', "", "deployment", "missing"),
        ("address", "adress", "adress", "did you mean address?"),
        ("join_port", "joinport", "listen.joinport", "did you mean join_port?"),
        ("[store]", "[storage]", "storage", "did you mean store?"),
        ("url", "xyz", "store.xyz", "known here: url"),
        ("join_port = 1", 'join_port = "1"', "listen.join_port", "whole number"),
        ("memory_mb = 200", "memory_mb = 0", "uploads.memory_mb", "positive"),
        ("join_port = 1", "join_port = true", "listen.join_port", "whole number"),
        ("join_port = 1", "join_port = 70000", "listen.join_port", "0 to 65535"),
        ("join_port = 1", "join_port = 2", "listen.join_port", "must differ"),
        ('"2h"', '"two hours"', "deadlines.work", "30s"),
        ('"2h"', '"0s"', "deadlines.work", "30s"),
        ("tune.example.org", "https://tune.example.org", "address", "without scheme"),
        ("tune.example.org", "tune.example.org:7442", "address", "without scheme or port"),
        ('"north"', '"North Sea"', "deployment", "a-z"),
        ("[listen]", "[listen", "file", "line 5"),
    ],
)
def test_a_mistake_is_told_by_key_and_remedy(tmp_path: Path, old: str, new: str, key: str, told: str) -> None:
    with pytest.raises(BadConfig) as caught:
        load(tmp_path, WHOLE.replace(old, new, 1))
    assert caught.value.data["key"] == key
    assert told in caught.value.message


def test_a_section_is_a_table(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"listen: expected a table"):
        load(tmp_path, 'deployment = "north"\naddress = "localhost"\nstate = "state"\nlisten = 3\n')


def test_a_missing_file_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="autoglm-coordinator init"):
        load_config(tmp_path / "coordinator.toml")


def test_init_makes_a_whole_deployment_once(tmp_path: Path) -> None:
    state = tmp_path / "state"
    token = initialise(state, address="::1", deployment="north", join_port=0, port=0)
    config = load_config(state / "coordinator.toml")
    assert config.listen.join_port not in (0, config.listen.port)
    assert token.address == config.join_address == f"[::1]:{config.listen.join_port}"
    assert Authority.load(config.pki).hash == token.authority
    assert StudyKey.from_bytes(config.study_key.read_bytes()).public
    for private in (config.study_key, config.pki / "ca.key", state / "coordinator.toml"):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert Deployment(state).run(lambda store: store.bump_epoch()) == 1
    with pytest.raises(AlreadyInitialised):
        initialise(state, address="::1", deployment="south")
    assert load_config(state / "coordinator.toml") == config


def test_init_with_a_bad_name_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadConfig):
        initialise(tmp_path / "state", address="tune.example.org", deployment="North Sea")
    assert not (tmp_path / "state").exists()
