"""One deployment of the small study is made for all fault tests; each disturbs a copy of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.disturbed import prepare, twin
from support.simulations import synthetic


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(synthetic(), tmp_path_factory.mktemp("deployment") / "prepared")


@pytest.fixture
def deployment(prepared: Path, tmp_path: Path) -> Path:
    """A folder of agents that joined and agreed on a roster."""
    return twin(prepared, tmp_path / "run")
