"""A token that cannot be used: the newcomer is told which one to ask for, and no token is spent in vain."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from autoglm.processes import wait_until
from support.consortium import Consortium, Member


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """A coordinator, and three agents that have not joined."""
    with Consortium(tmp_path_factory.mktemp("tokens"), Member("st-mary"), Member("va"), Member("zurich")) as running:
        yield running


def test_a_token_is_good_once(consortium: Consortium) -> None:
    token = consortium.operator.types("join-token", "st-mary").strip()
    consortium["st-mary"].types("join", token)
    key = (consortium["st-mary"].state.path / "site.key").read_bytes()
    said = consortium["va"].refused("join", token)
    assert "token" in said
    assert "used" in said
    assert not consortium["va"].state.joined
    again = consortium["st-mary"].refused("join", token)
    assert "has joined as st-mary-" in again
    assert (consortium["st-mary"].state.path / "site.key").read_bytes() == key, "its site key stays"


def test_an_expired_token_is_said_to_be_expired(consortium: Consortium) -> None:
    token = consortium.operator.types("join-token", "va", "--valid", "1s").strip()
    said: list[str] = []

    def expired() -> bool:
        # Another name than the token's, so that a try before its time is refused too and spends nothing.
        said.append(consortium["zurich"].refused("join", token))
        return "expired" in said[-1]

    wait_until(expired, what="the end of the token", seconds=20)
    assert re.search(r"ask .*operator", said[-1])
    assert not consortium["zurich"].state.joined


@pytest.mark.parametrize("cut", [10, 40, -20, -1])
def test_half_a_token_is_seen_before_anything_is_sent(consortium: Consortium, cut: int) -> None:
    token = consortium.operator.types("join-token", "va").strip()
    said = consortium["va"].refused("join", token[:cut])
    assert "not a complete join token" in said
    assert "copy the whole line again" in said
    assert token[-10:] not in said, "what is left of a secret is not repeated"


def test_a_token_for_the_other_kind_of_member_names_its_command(consortium: Consortium) -> None:
    agent = consortium.operator.types("join-token", "va").strip()
    assert "this token is for `autoglm-agent join`" in consortium.operator.refused("login", agent)
    operator = consortium.operator.types("join-token", "second", "--operator").strip()
    assert "this token is for `autoglm login`" in consortium["va"].refused("join", operator)
    consortium["va"].types("join", agent)


def test_a_token_of_another_deployment_is_not_believed(consortium: Consortium) -> None:
    head, authority, secret = consortium.operator.types("join-token", "zurich").strip().rsplit(".", 2)
    false = ("0" if authority[0] != "0" else "1") + authority[1:]
    said = consortium["zurich"].refused("join", f"{head}.{false}.{secret}")
    assert "do not trust this coordinator" in said
    assert "ask its operator for a new token" in said
    consortium["zurich"].types("join", f"{head}.{authority}.{secret}")
