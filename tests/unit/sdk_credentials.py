"""Where an operator's certificate lies, and who may read it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from autoglm.credentials import OperatorCredentials, configuration_folder, load_credentials, save_credentials
from autoglm.errors import NotLoggedIn

CREDENTIALS = OperatorCredentials("tune.example.org:7443", "op-1", b"certificate", b"secret key", b"authority")


def test_what_is_saved_is_loaded_and_private(tmp_path: Path) -> None:
    save_credentials(CREDENTIALS, tmp_path / "home")
    assert load_credentials(tmp_path / "home") == CREDENTIALS
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "home").iterdir()} == {0o600}


def test_a_second_login_replaces_the_first(tmp_path: Path) -> None:
    save_credentials(CREDENTIALS, tmp_path)
    other = OperatorCredentials("b:1", "op-2", b"c", b"k", b"a")
    save_credentials(other, tmp_path)
    assert load_credentials(tmp_path) == other


def test_without_a_login_the_error_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotLoggedIn, match="autoglm login"):
        load_credentials(tmp_path)


def test_the_key_is_in_no_printed_form() -> None:
    assert "secret" not in repr(CREDENTIALS)


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"AUTOGLM_HOME": "/x/y", "XDG_CONFIG_HOME": "/z"}, "linux", "/x/y"),
        ({"XDG_CONFIG_HOME": "/z"}, "linux", "/z/autoglm"),
        ({"XDG_CONFIG_HOME": "relative"}, "linux", "/home/me/.config/autoglm"),
        ({}, "linux", "/home/me/.config/autoglm"),
        ({}, "darwin", "/home/me/Library/Application Support/autoglm"),
        ({"APPDATA": "/roaming"}, "win32", "/roaming/autoglm"),
    ],
)
def test_the_folder_follows_the_platform(environment: dict[str, str], platform: str, expected: str) -> None:
    assert configuration_folder(environment, platform=platform, home=Path("/home/me")) == Path(expected)
