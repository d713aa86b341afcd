"""The published vectors of the secure sum: ours gives them again, and a verifier that shares no line with it agrees."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from autoglm_core.privacy import site_events as at_site
from autoglm_core.privacy.coordinator_events import Aborted, Completed
from autoglm_core.privacy.errors import BadKey, SpecRefused
from autoglm_core.privacy.messages import Message
from autoglm_core.privacy.sealing import open_sealed
from autoglm_core.privacy.session_keys import require_sound
from autoglm_core.privacy.session_spec import SessionSpec
from support import secure_sum_arithmetic as document
from support.secure_sum_arithmetic import Keys, agree, text, unhex
from support.secure_sum_replay import Replay
from support.secure_sum_verifier import Session

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "vectors" / "secure-sum"
VECTORS: dict[str, Any] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
PRIMITIVES, REFUSALS = VECTORS["primitives"], VECTORS["refusals"]
SESSIONS = [name for name, vector in VECTORS.items() if "messages" in vector and "result" in vector]
SITES = [(name, site) for name in SESSIONS for site in VECTORS[name]["sites"]]


# Ours


def generate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/make_secure_sum_vectors.py", "--check", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_files_are_what_the_generator_makes() -> None:
    checked = generate()
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_generator_notices_one_changed_byte(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "vectors")
    changed = tmp_path / "vectors" / "five-sites.json"
    body = VECTORS["five-sites"]["messages"][3]["body"]
    changed.write_text(changed.read_text().replace(body, flipped(body, where="a shown body")))
    checked = generate("--folder", str(tmp_path / "vectors"))
    assert (checked.returncode, checked.stdout) == (1, "differ: five-sites.json\n")


@pytest.mark.parametrize(("name", "site"), SITES)
def test_a_site_with_the_same_entropy_says_the_same_bytes(name: str, site: str) -> None:
    replay = Replay(VECTORS[name])
    recorded = [said for said in replay.recorded(by_sites=True) if said[1] == site]
    said = replay.said_by(site)
    silent = site in VECTORS[name]["silent_from"]
    assert said[: len(recorded)] == recorded
    assert silent or len(said) == len(recorded)


@pytest.mark.parametrize("name", SESSIONS)
def test_the_coordinator_says_the_same_bytes_and_comes_to_the_same_end(name: str) -> None:
    replay, expected = Replay(VECTORS[name]), VECTORS[name]["result"]
    said, outcome = replay.coordinated()
    assert said == replay.recorded(by_sites=False)
    if isinstance(outcome, Completed):
        result = outcome.result
        body = result.body_sum.view(f"<i{replay.spec.ring_bits // 8}")
        assert (body.tolist(), result.tail_sum.tolist()) == (expected["body_sum"], expected["tail_sum"])
        assert (list(result.survivors), list(result.dropped)) == (expected["survivors"], expected["dropped"])
    else:
        assert isinstance(outcome, Aborted)
        assert {"abort": outcome.code, **outcome.data} == expected


@pytest.mark.parametrize("case", REFUSALS["specs"], ids=lambda case: case["field"])
def test_a_site_refuses_a_changed_spec_by_field(case: Any) -> None:
    replay = Replay(VECTORS["validation"])
    changed = {**VECTORS["validation"]["spec"]["fields"], **case["changes"]}
    spec = SessionSpec.decode(document.spec_bytes(changed))
    with pytest.raises(SpecRefused) as caught:
        replay.site(REFUSALS["site"], spec=spec, lowest_epoch=REFUSALS["lowest_epoch"])
    assert caught.value.data["field"] == case["field"]


@pytest.mark.parametrize("case", REFUSALS["messages"], ids=lambda case: f"{case['kind']} {case['about']}")
def test_a_changed_message_ends_the_session_at_the_site_with_its_code(case: Any) -> None:
    replay = Replay(VECTORS["validation"])
    site = replay.site(REFUSALS["site"], lowest_epoch=REFUSALS["lowest_epoch"])
    site.handle(at_site.Start())
    site.handle(at_site.InputReady(replay.input(REFUSALS["site"])))
    for shown in replay.shown_to(REFUSALS["site"]):
        if shown.kind < case["kind"]:
            site.handle(at_site.Received(shown))
    (aborted,) = site.handle(at_site.Received(Message.of(case["kind"], unhex(case["body"]), b"")))
    assert isinstance(aborted, at_site.Aborted)
    assert (aborted.code, site.state) == (case["code"], "GivenUp")


def test_keys_that_the_vectors_refuse_are_refused() -> None:
    for key in PRIMITIVES["refused_keys"]:
        with pytest.raises(BadKey):
            require_sound(unhex(key), site="x")


# The verifier


def test_the_verifier_shares_nothing_with_ours() -> None:
    for name in ("secure_sum_verifier", "secure_sum_arithmetic"):
        tree = ast.parse((ROOT / "tests" / "support" / f"{name}.py").read_text())
        imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imports |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        allowed = {*sys.stdlib_module_names, "numpy", "cryptography"}
        ours = {found for found in imports if found.split(".")[0] not in allowed}
        assert ours <= {"support", "support.secure_sum_arithmetic"}


@pytest.mark.parametrize("name", SESSIONS)
def test_the_verifier_comes_to_every_byte_of_a_session(name: str) -> None:
    Session(VECTORS[name]).verify()


@pytest.mark.parametrize("name", SESSIONS)
def test_one_flipped_byte_of_any_message_fails(name: str) -> None:
    for index, message in enumerate(VECTORS[name]["messages"]):
        for part in ("body", "signature", "image"):
            if part in message:
                where = f"{name}, message {index}, {part}"
                changed = deepcopy(VECTORS[name])
                changed["messages"][index][part] = flipped(message[part], where=where)
                assert not verifies(changed), where


@pytest.mark.parametrize("name", SESSIONS)
def test_a_message_too_few_fails(name: str) -> None:
    for index in range(len(VECTORS[name]["messages"])):
        changed = deepcopy(VECTORS[name])
        del changed["messages"][index]
        assert not verifies(changed), f"{name}, message {index}"


def verifies(vector: Any) -> bool:
    try:
        Session(vector).verify()
    except (AssertionError, InvalidSignature, KeyError):
        return False
    return True


def flipped(value: str, *, where: str) -> str:
    """One bit changed, at a place that `where` chooses."""
    drawn, data = Random(where), bytearray.fromhex(value)  # noqa: S311 - the same place in every run
    data[drawn.randrange(len(data))] ^= 1 << drawn.randrange(8)
    return data.hex()


@pytest.mark.parametrize("case", PRIMITIVES["derive"], ids=lambda case: case["label"])
def test_derived_keys(case: Any) -> None:
    assert document.derive(unhex(case["secret"]), case["label"], unhex(case["context"])).hex() == case["key"]


@pytest.mark.parametrize("case", PRIMITIVES["shamir"], ids=lambda case: f"{case['threshold']} shares")
def test_shares(case: Any) -> None:
    secret, draws = unhex(case["secret"]), [unhex(draw) for draw in case["draws"]]
    points = {share["x"]: unhex(share["y"]) for share in case["shares"]}
    assert document.deal(secret, draws, list(points)) == list(points.values())
    some = list(points.items())
    for first in range(len(some) - case["threshold"] + 1):
        assert document.interpolate(dict(some[first : first + case["threshold"]])) == secret


def test_commitments_and_seed_hash() -> None:
    for case in PRIMITIVES["commitments"]:
        opened = unhex(case["share"] + case["salt"])
        hashed = Keys(unhex(case["spec"])).commitment(case["dealer"], case["receiver"], case["kind"], opened)
        assert hashed.hex() == case["commitment"]
    case = PRIMITIVES["seed_hash"]
    assert Keys(unhex(case["spec"])).seed_hash(case["site"], unhex(case["seed"])).hex() == case["hash"]


def test_masks() -> None:
    own, pair = PRIMITIVES["self_mask"], PRIMITIVES["pair_mask"]
    assert Keys(unhex(own["spec"])).self_key(own["site"], unhex(own["seed"])).hex() == own["key"]
    shared = agree(unhex(pair["private"]), unhex(pair["peer_public"]))
    assert shared.hex() == pair["shared"]
    assert Keys(unhex(pair["spec"])).pair_key(pair["own"], pair["peer"], shared).hex() == pair["key"]
    assert pair["subtracts"] == (pair["own"] > pair["peer"])
    for case in (own, pair):
        require_long(document.stream(unhex(case["key"]), case["bytes"]), case)
    for case in PRIMITIVES["masked_zeros"]:
        image = bytes(case["bytes"])
        for key, sign in ((case["added"], 1), (case["subtracted"], -1)):
            image = document.add(case, image, document.stream(unhex(key), len(image)), sign)
        require_long(image, case)


def require_long(data: bytes, case: Any) -> None:
    assert (len(data), data[:32].hex(), data[-32:].hex()) == (case["bytes"], case["first"], case["last"])
    assert hashlib.sha256(data).hexdigest() == case["sha256"]


def test_sealed_shares() -> None:
    case = PRIMITIVES["share_sealing"]
    private, peer = unhex(case["receiver_private"]), agree(unhex(case["sender_private"]))
    ways = unhex(case["view"]), case["sender"], case["receiver"]
    cipher, associated = Keys(unhex(case["spec"])).sealing(agree(private, peer), *ways)
    plain = "".join(share["share"] + share["salt"] for share in case["shares"])
    assert cipher.decrypt(bytes(12), unhex(case["sealed"]), associated).hex() == plain


def test_refused_keys() -> None:
    assert all(document.refused(unhex(key)) for key in PRIMITIVES["refused_keys"])
    assert not document.refused(agree(bytes([5]) * 32))


@pytest.mark.parametrize("case", PRIMITIVES["quantize"], ids=lambda case: f"{case['ring_bits']} bits, {case['weight']}")
def test_quantized_lanes(case: Any) -> None:
    delta = np.frombuffer(unhex(case["delta"]), "<f4")
    lanes, clipped = document.quantize(case, delta, case["weight"], unhex(case["site_secret"]))
    assert (lanes, clipped) == (case["lanes"], case["clipped"])
    assert document.mean(case, lanes, max(case["weight"], 1)).tobytes().hex() == case["mean_delta"]


def test_sealed_metrics() -> None:
    """Opened by the document's section 10, and by ours."""
    case = PRIMITIVES["sealed_metrics"]
    lattice = MLKEM768PrivateKey.from_seed_bytes(unhex(case["private"])[:64])
    curve = X25519PrivateKey.from_private_bytes(unhex(case["private"])[64:])
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    info = text("autoglm/v1/sealed-metrics") + text(unhex(case["context"]))
    plain = suite.decrypt(unhex(case["sealed"]), MLKEM768X25519PrivateKey(lattice, curve), info)
    assert plain[64:] == text(unhex(case["clear"]))
    statement = hashlib.sha256(unhex(case["public"])).digest() + text(unhex(case["context"])) + plain[64:]
    signer = Ed25519PublicKey.from_public_bytes(unhex(case["signer"]))
    signer.verify(plain[:64], b"autoglm/v1/sealed-metrics\0" + statement)
    opened = open_sealed(
        unhex(case["private"]), unhex(case["sealed"]), context=unhex(case["context"]), signer=unhex(case["signer"])
    )
    assert opened.hex() == case["clear"]
