"""The audit log: appends chain, changes show, a crash in the middle of a line does no harm."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_agent.audit import HEAD_MESSAGE, AuditLog, head_of, verify
from autoglm_agent.errors import AuditBroken
from autoglm_core.privacy.errors import BadSignature
from autoglm_core.privacy.keys import SiteKey


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def write(path: Path, count: int) -> AuditLog:
    log = AuditLog(path)
    for number in range(count):
        log.append("hello", size=number, sha256=f"{number:064x}", study="s-1")
    return log


def test_a_reopened_log_goes_on_with_its_chain(path: Path) -> None:
    write(path, 3).close()
    log = write(path, 2)
    entries = list(verify(path))
    assert [entry.sequence for entry in entries] == [1, 2, 3, 4, 5]
    assert head_of(entries[-1]) == log.head
    log.close()


def test_a_line_that_a_crash_cut_is_dropped(path: Path) -> None:
    write(path, 2).close()
    with path.open("ab") as file:
        file.write(b'{"seq":3,"ki')
    assert len(list(verify(path))) == 2
    log = write(path, 1)
    assert log.head.sequence == 3
    assert len(list(verify(path))) == 3
    log.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[0], lines[2]],
        lambda lines: [lines[1], lines[0], lines[2]],
        lambda lines: [lines[0].replace(b'"bytes":0', b'"bytes":9'), *lines[1:]],
        lambda lines: [b'{"seq":1}\n', *lines[1:]],
        lambda lines: [b"[]\n", *lines[1:]],
    ],
)
def test_removed_swapped_and_changed_entries_show(path: Path, change: object) -> None:
    write(path, 3).close()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(lines)))  # type: ignore[operator]
    with pytest.raises(AuditBroken):
        list(verify(path))


def test_the_head_is_signed_by_the_site_key_and_by_no_other(path: Path) -> None:
    log, key = write(path, 2), SiteKey.generate()
    head = log.flush()
    signature = head.sign(key)
    key.public.verify(HEAD_MESSAGE, head.body, signature)
    with pytest.raises(BadSignature):
        SiteKey.generate().public.verify(HEAD_MESSAGE, head.body, signature)
    log.close()


@settings(max_examples=40, derandomize=True)
@given(st.data())
def test_no_byte_can_be_changed_unseen(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    log = write(path, 4)
    head = log.head
    log.close()
    image = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(image) - 1))
    image[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(image)
    try:
        entries = list(verify(path))
    except AuditBroken:
        return
    # What still chains is another log: it does not end in the head that was signed.
    assert not entries or head_of(entries[-1]) != head
