"""One consortium for the tests of bad input: starting it costs more than any of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.consortium import Consortium
from support.ward import FOUR_SITES, ward


@pytest.fixture(scope="session")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """Four sites with rows and one device, all joined, the roster accepted; every approval is asked for."""
    with ward(tmp_path_factory.mktemp("consortium"), *FOUR_SITES) as running:
        running.gather()
        yield running
