"""What really leaves a site, copied below everything at the last point before TLS, over real sessions of real daemons.

One deployment runs a study with the secure sum and then one without it. Canaries are pieces of the clear vectors that
the sites were about to mask; with masks none of them is on the wire in any spelling, without masks each of them is.
"""

from __future__ import annotations

import base64
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from autoglm.processes import Daemon, daemon_environment, wait_until
from autoglm.results import Result
from autoglm_protos.v1 import agent_pb2
from support.consortium import Consortium
from support.tapped_agent import CLEAR, TAP_BREAKS, TAP_FILE, WIRE, records
from support.ward import SITES, data_file, study_file, ward

BREAKS = SITES[-1]
WINDOW = 16
PUT = "/autoglm.v1.AgentService/Put"
POLICY = 'approval = "simulated"\nrelease_model = true'
STUDY = (
    ("logistic-regression", "mlp"),
    ("[0.05, 0.1, 0.2, 0.4]", "[0.05, 0.1]\n    width: [512]"),
    (", latency_p95_ms: minimize", ""),
    ("device_classes: [pi5]", "device_classes: []"),
)
UNMASKED = (("secure_sum: required", "secure_sum: off"), ("seed: 7", "seed: 8"))
TYPING_ERROR = "qz7canary"


@dataclass(frozen=True)
class Heard:
    """What one site's tap recorded during one study.

    `wire`: every message's bytes; `masked` and `clear`: the vector of each session, by session id.
    """

    wire: bytes
    masked: dict[str, bytes]
    clear: dict[str, bytes]


@dataclass(frozen=True)
class Evidence:
    """Of both studies, by site; and of the whole run: what was logged, and where the deployment lies."""

    with_masks: dict[str, Heard]
    without: dict[str, Heard]
    logged: bytes
    shown: bytes
    consortium: Consortium


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    """Two studies over tapped agents, and a dry run over a file with a typing error."""
    consortium = ward(tmp_path_factory.mktemp("taps"), *SITES, policy=POLICY)
    taps = {name: consortium[name].folder / "tap" for name in SITES}
    for name in SITES:
        consortium[name].daemon = tapped(consortium, name, taps[name])
    with consortium:
        consortium.join(*SITES)
        consortium.client.propose_roster(SITES, minimum_cohort=3)
        wait_until(lambda: consortium.client.roster().accepted, what="the roster", seconds=20)
        run_study(consortium, "masked", *STUDY)
        before = {name: list(records(taps[name])) for name in SITES}
        run_study(consortium, "unmasked", *STUDY, *UNMASKED)
        after = {name: list(records(taps[name])) for name in SITES}
        shown = mistyped(consortium)
    yield Evidence(
        with_masks={name: heard(before[name]) for name in SITES},
        without={name: heard(after[name][len(before[name]) :]) for name in SITES},
        logged=b"".join(path.read_bytes() for path in consortium.logs.iterdir()),
        shown=shown.encode(),
        consortium=consortium,
    )


def tapped(consortium: Consortium, name: str, tap: Path) -> Daemon:
    program = Path(__file__).parents[1] / "support" / "tapped_agent.py"
    command = [sys.executable, str(program), "run", "--config", str(consortium[name].config)]
    environment = {**daemon_environment(), TAP_FILE: str(tap), TAP_BREAKS: "1" if name == BREAKS else ""}
    return Daemon(name, command, log=consortium.logs / f"{name}.log", environment=environment)


def run_study(consortium: Consortium, name: str, *changes: tuple[str, str]) -> None:
    study_file(consortium.operator.folder, *changes, name=name)
    study = consortium.operator.types("submit", f"{name}.yaml").split()[0]
    assert consortium.wait_state(study, "completed", "failed", seconds=90) == "completed"
    assert all(str(trial.state) == "completed" for trial in Result.parse(consortium.client.result(study)).trials)


def mistyped(consortium: Consortium) -> str:
    """What the operator is shown of a site whose file has a cell that cannot be read."""
    path = data_file(consortium, "va")
    path.write_text(path.read_text().replace(",1,", f",{TYPING_ERROR},", 1))
    done = consortium.operator.run("submit", "masked.yaml", "--dry-run")
    assert "refused: schema-mismatch" in done.stdout
    return done.stdout + done.stderr


def heard(entries: Iterable[tuple[str, str, bytes]]) -> Heard:
    wire, clear = bytearray(), {}
    masked: dict[str, bytearray] = defaultdict(bytearray)
    session = ""
    for kind, name, data in entries:
        if kind == CLEAR:
            clear[name] = data
            continue
        assert kind == WIRE
        wire += data
        if name == PUT:
            chunk = agent_pb2.PutChunk.FromString(data)
            # One vector at a time: a session's chunks follow each other.
            session = chunk.session_id.hex() or session
            masked[session] += chunk.data
    return Heard(bytes(wire), {name: bytes(data) for name, data in masked.items()}, clear)


def windows(clear: bytes) -> list[bytes]:
    """Pieces of a vector that cannot turn up by chance: 16 bytes, of which no two thirds are alike."""
    pieces = (clear[start : start + WINDOW] for start in range(0, len(clear) - WINDOW + 1, WINDOW))
    return [piece for piece in pieces if len(set(piece)) > WINDOW * 2 // 3][:200]


def spellings(piece: bytes) -> dict[str, list[bytes]]:
    """How `piece` may be written: raw, as decimal numbers, in hexadecimal, in base64 at each of three alignments."""
    numbers = [str(number).encode() for number in np.frombuffer(piece, "<u4") if number > 10**8]
    shifted = [base64.b64encode(bytes(shift) + piece) for shift in range(3)]
    return {
        "ring": [piece],
        "decimal": [number for number in numbers if len(number) >= 9],
        "hex": [piece.hex().encode(), piece.hex().upper().encode()],
        "base64": [text[4:-4] for text in shifted],
    }


def found(pieces: Iterable[bytes], haystack: bytes) -> set[str]:
    """The spellings in which any of `pieces` stands in `haystack`."""
    return {
        name for piece in pieces for name, texts in spellings(piece).items() if any(text in haystack for text in texts)
    }


def test_the_search_sees_every_spelling() -> None:
    secret = np.random.default_rng(3).bytes(64)
    numbers = " ".join(map(str, np.frombuffer(secret, "<u4"))).encode()
    written = {
        "ring": secret,
        "decimal": numbers,
        "hex": secret.hex().encode(),
        "base64": base64.b64encode(b"x" + secret),
    }
    for name, text in written.items():
        assert found(windows(secret), b"before" + text + b"after") == {name}
    assert found(windows(secret), np.random.default_rng(4).bytes(2**20)) == set()


@pytest.mark.timeout(240)
def test_with_masks_nothing_of_an_update_is_on_the_wire(evidence: Evidence) -> None:
    everything = b"".join(site.wire for site in evidence.with_masks.values())
    for site in evidence.with_masks.values():
        assert len(site.clear) > 5
        assert set(site.masked) <= set(site.clear)
        for clear in site.clear.values():
            assert found(windows(clear), everything) == set()


def test_without_masks_the_same_search_finds_every_update(evidence: Evidence) -> None:
    for site in evidence.without.values():
        updates = {name: clear for name, clear in site.clear.items() if len(windows(clear)) > 50}
        assert updates
        for clear in updates.values():
            assert found(windows(clear), site.wire) == {"ring"}


def test_rows_and_paths_leave_in_neither_case(evidence: Evidence) -> None:
    consortium = evidence.consortium
    everything = b"".join(site.wire for run in (evidence.with_masks, evidence.without) for site in run.values())
    for name in SITES:
        path = data_file(consortium, name)
        for row in path.read_text().splitlines():
            age, pressure, *_ = row.split(",")
            image = np.array([float(age), float(pressure)], "<f4").tobytes()
            assert row.encode() not in everything
            assert f"{age},".encode() not in everything
            assert image not in everything
        assert str(path).encode() not in everything
        assert str(path.parent).encode() not in everything


def test_masked_vectors_are_uniform_bytes(evidence: Evidence) -> None:
    masked = b"".join(data for site in evidence.with_masks.values() for data in site.masked.values())
    assert len(masked) > 100_000
    assert is_uniform(masked)
    clear = b"".join(data for site in evidence.without.values() for data in site.masked.values())
    assert not is_uniform(clear), "and the test would see it if they were not masked"


def is_uniform(data: bytes) -> bool:
    """Pearson's chi-square over byte values: 255 degrees of freedom, five standard deviations to either side."""
    counts = np.bincount(np.frombuffer(data, np.uint8), minlength=256)
    expected = len(data) / 256
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return bool(abs(statistic - 255) < 5 * np.sqrt(2 * 255))


def test_the_same_input_twice_gives_unrelated_bytes(evidence: Evidence) -> None:
    pairs = [pair for site in evidence.with_masks.values() for pair in repeated(site)]
    assert pairs, "one site broke its first training session off, so that all of them repeated it"
    for first, second in pairs:
        difference = bytes(np.frombuffer(first, np.uint8) ^ np.frombuffer(second, np.uint8))
        equal = difference.count(0) / len(difference)
        assert equal < 2 / 256, "as many bytes are equal as by chance"
    assert is_uniform(b"".join(bytes(np.frombuffer(a, np.uint8) ^ np.frombuffer(b, np.uint8)) for a, b in pairs))


def repeated(site: Heard) -> list[tuple[bytes, bytes]]:
    """Masked vectors of two sessions whose clear vectors were equal."""
    by_input: dict[bytes, list[bytes]] = defaultdict(list)
    for session, masked in site.masked.items():
        if len(site.clear[session]) > 1000:
            by_input[site.clear[session]].append(masked)
    return [(same[0], same[1]) for same in by_input.values() if len(same) > 1]


def test_no_log_and_no_message_holds_a_value_a_path_or_a_key(evidence: Evidence) -> None:
    consortium, told = evidence.consortium, evidence.logged + evidence.shown
    assert b"session purpose=train" in evidence.logged, "the logs are there"
    assert TYPING_ERROR.encode() not in told
    for name in SITES:
        path = data_file(consortium, name)
        assert path.name.encode() not in told
        assert not any(row.split(",")[0].encode() in told for row in path.read_text().splitlines())
    keys = private_keys(consortium)
    assert len(keys) == 3 * len(SITES) + 2
    for key in keys:
        assert windows(key)
        assert found(windows(key), told) == set()


def private_keys(consortium: Consortium) -> list[bytes]:
    """Of the authority, of the coordinator, and three of each site; those in PEM without their armour."""
    coordinator = consortium.coordinator_state
    files = [coordinator / "pki" / "ca.key", coordinator / "study.key"]
    files += [consortium[site].state.path / name for site in SITES for name in ("site.key", "site.secret", "tls.pem")]
    return [without_armour(path.read_bytes()) for path in files]


def without_armour(key: bytes) -> bytes:
    _, begin, rest = key.partition(b"PRIVATE KEY-----")
    return base64.b64decode(rest.partition(b"-----END")[0]) if begin else key
