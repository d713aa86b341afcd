"""SPIFFE ids and join tokens: what is written is read, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_core.identity import BadIdentity, BadToken, Identity, JoinToken, Role

SETTINGS = settings(derandomize=True, max_examples=80, deadline=None)
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?", fullmatch=True)
TOKEN = JoinToken("tune.example.org:7442", "9f" * 32, bytes(range(16)))


@SETTINGS
@given(NAMES, st.sampled_from(Role), NAMES)
def test_an_identity_is_read_back(deployment: str, role: Role, id: str) -> None:
    identity = Identity(deployment, role, id)
    assert Identity.parse(str(identity)) == identity


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spiffe://north/agent",
        "spiffe://north/agent/a/b",
        "spiffe://north/admin/a",
        "https://north/agent/a",
        "spiffe:///agent/a",
        "spiffe://north/agent/",
        "spiffe://north/agent/..",
        "spiffe://north/agent/A",
        "spiffe://north/agent/a%2fb",
        "spiffe://north/agent/" + "a" * 65,
        "spiffe://north/agent/a\n",
    ],
)
def test_another_form_is_no_identity(text: str) -> None:
    with pytest.raises(BadIdentity):
        Identity.parse(text)


@SETTINGS
@given(st.sampled_from(["tune.example.org:7442", "10.0.0.1:1", "[::1]:65535"]), st.binary(min_size=16, max_size=16))
def test_a_token_is_read_back(address: str, secret: bytes) -> None:
    token = JoinToken(address, "0a" * 32, secret)
    assert JoinToken.parse(f"  {token.encode()}\n") == token


def test_a_token_looks_as_documented_and_hides_its_secret_when_printed() -> None:
    text = TOKEN.encode()
    assert text.startswith("AGM1.tune.example.org:7442.9f9f")
    assert len(text.rpartition(".")[2]) == 26
    assert "\\x01" not in repr(TOKEN) and text.rpartition(".")[2] not in repr(TOKEN)


@SETTINGS
@given(st.integers(0, len(TOKEN.encode()) - 1))
def test_a_token_that_was_cut_is_refused(length: int) -> None:
    with pytest.raises(BadToken):
        JoinToken.parse(TOKEN.encode()[:length])


@pytest.mark.parametrize(
    "address", ["", "host", "host:0", "host:65536", "ho st:1", "host:1/x", "::1:7442", "user@host:1"]
)
def test_a_token_names_a_host_and_a_port(address: str) -> None:
    with pytest.raises(BadToken):
        JoinToken(address, "9f" * 32, bytes(16))
