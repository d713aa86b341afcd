"""Where a study's outcome is read: at the deployment by its id, or in the folder of a simulated run by its path."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from autoglm.control import ControlClient, refreshed
from autoglm.credentials import configuration_folder, load_credentials, save_credentials
from autoglm.errors import RunUnfinished, UnreadableResult
from autoglm.results import Result
from autoglm.run_folder import RunFolder
from autoglm_core.canonical import Json


def connect() -> ControlClient:
    """A client with this user's certificate, renewed where it is due."""
    folder = configuration_folder()
    held = load_credentials(folder)
    credentials = refreshed(held, now=datetime.now(UTC))
    if credentials is not held:
        save_credentials(credentials, folder)
    return ControlClient(credentials)


def read_result(study: str) -> Result:
    """The result so far."""
    folder = _run_folder(study)
    if folder is not None:
        return Result.parse(_read(folder.result))
    with connect() as client:
        return Result.parse(client.result(study))


def read_importance(study: str) -> Json:
    """Which parameters matter for which objective."""
    folder = _run_folder(study)
    if folder is not None:
        return _importance(_read(folder.importance))
    with connect() as client:
        return _importance(client.importance(study))


def _importance(text: bytes) -> Json:
    try:
        value: Json = json.loads(text)
        int(value["needed"])
        for entry in value["classes"].values():
            int(entry["trials"])
            entry["importance"].items()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableResult(reason=f"{type(error).__name__} in the importances") from error
    return value


def _read(path: Path) -> bytes:
    """Of a finished run, which has it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableResult(reason=f"{path}: {error.strerror}") from error


def read_optuna_journal(study: str) -> bytes:
    """The trials as a journal of Optuna's."""
    folder = _run_folder(study)
    if folder is not None:
        return _read(folder.optuna_journal)
    with connect() as client:
        return client.optuna_journal(study)


def _run_folder(study: str) -> RunFolder | None:
    """The run whose folder, or whose result.json, `study` names; None where it names none: it is an id then.

    Raises:
        RunUnfinished: the folder holds no result yet.
    """
    path = Path(study)
    root = path.parent if path.name == "result.json" else path
    folder = RunFolder(root)
    if folder.result.is_file():
        return folder
    if len(path.parts) > 1 or folder.state.is_dir():
        raise RunUnfinished(folder=str(root))
    return None
