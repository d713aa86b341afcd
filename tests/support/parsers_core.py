"""The parsers of `autoglm_core`: the secure sum's messages, study, manifest, keys, tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from hashlib import sha256
from random import Random
from typing import Any

from autoglm.study_file import load_study
from autoglm_core.budget import Budget
from autoglm_core.canonical import canonical_json, read_canonical
from autoglm_core.configuration import BadConfiguration, Configuration
from autoglm_core.counters import CounterField, CounterLayout
from autoglm_core.encoding import Malformed, Reader, Writer
from autoglm_core.identity import BadIdentity, BadToken, Identity, JoinToken
from autoglm_core.measurement import Split
from autoglm_core.parse_study import decode_study
from autoglm_core.privacy import bodies
from autoglm_core.privacy.checkpoint import decode_record, encode_record
from autoglm_core.privacy.coordinator_events import PersistSurvivors
from autoglm_core.privacy.errors import BadKey, BadShare, BadSignature, NotSorted, Refused
from autoglm_core.privacy.keys import SiteKey, SitePublicKey
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.roster import BadRoster, Roster
from autoglm_core.privacy.sealing import NotSealedForUs, StudyKey, open_sealed, seal
from autoglm_core.privacy.session_keys import ShareChannel, public_key, require_sound
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.vectors import MaskedVector, WrongVector
from autoglm_core.study import Study
from autoglm_core.study_error import StudyError
from autoglm_core.task import BadManifest, Manifest, ManifestItem
from support.agent_sites import toy_study
from support.parser_contract import JsonParser, Parser
from support.secure_sum_wire import Deployment, Wire, inputs_for
from support.ward import STUDY

# ruff: noqa: S311 - seeded on purpose

DEPLOYMENT = Deployment.of(4)
SPEC = DEPLOYMENT.spec()
SITE = DEPLOYMENT.keys["s00"]
STUDY_KEY = StudyKey.from_bytes(Random("study key").randbytes(96))
MINE, THEIRS = bytes([3]) * 32, bytes([5]) * 32
VALUES = (7, 2**60, 0.5, True, "é", ("a", ""), b"x")


@cache
def finished() -> Wire:
    """A whole session, with what it stored."""
    wire = Wire(DEPLOYMENT, SPEC, inputs_for(SPEC))
    wire.run()
    return wire


def _messages() -> dict[MessageKind, list[Message]]:
    wire, found = finished(), dict[MessageKind, list[Message]]()
    for (_, kind), message in [*wire.messages.items(), *wire.shown.items()]:
        found.setdefault(kind, []).append(message)
    return found


def _body(kind: Any) -> Parser:
    return Parser(
        name=f"body-{kind.kind.label}",
        parse=kind.decode,
        errors=(Malformed, NotSorted),
        samples=lambda: [message.body for message in _messages()[kind.kind]],
        encode=lambda value: value.encode(),
        memory=(48, 64 * 1024),
        grow=GROWN.get(kind.kind),
    )


def _grown_adverts(size: int) -> bytes:
    return bodies.Adverts(SPEC.digest, ((b"x" * 32, bytes(64)),) * (size // 100)).encode()


def _grown_survivors(size: int) -> bytes:
    return bodies.Survivors(SPEC.digest, tuple(f"{number:06}" for number in range(size // 10))).encode()


def _grown_advert(size: int) -> bytes:
    pairs = ((bytes(32), bytes(32)),) * (size // 64)
    return bodies.Advert(SPEC.digest, "s00", bytes(32), bytes(32), bytes(32), pairs).encode()


GROWN: dict[MessageKind, Callable[[int], bytes]] = {
    MessageKind.ADVERTS: _grown_adverts,
    MessageKind.SURVIVORS: _grown_survivors,
    MessageKind.ADVERT: _grown_advert,
}


def _primitives(data: bytes) -> tuple[Any, ...]:
    reader = Reader(data, what="test")
    values = (reader.u8(), reader.u64(), reader.f64(), reader.flag(), reader.text(), reader.texts(), reader.blob())
    reader.end()
    return values


def _write_primitives(values: tuple[Any, ...]) -> bytes:
    number, long, real, flag, text, texts, blob = values
    return Writer().u8(number).u64(long).f64(real).flag(flag).text(text).texts(texts).blob(blob).finish()


def _record() -> bytes:
    stored = finished().stored
    assert isinstance(stored, PersistSurvivors)
    return stored.record


def _running() -> MaskedVector:
    return MaskedVector.from_bytes(SPEC.layout, bytearray(finished().stored_running))


def _sealed() -> list[bytes]:
    return [seal(STUDY_KEY.public, b"{}" * size, context=b"dev", signer=SITE) for size in (0, 1, 40)]


def _share_channel(own: str, peer: str, private: bytes, peer_private: bytes) -> ShareChannel:
    view = bytes(32)
    return ShareChannel(private, public_key(peer_private), spec=SPEC.digest, own=own, peer=peer, view=view)


def _sealed_shares() -> list[bytes]:
    share = bodies.OpenShare(7, bytes(32))
    return [_share_channel("a", "b", MINE, THEIRS).seal(share, share)]


def _share(data: bytes) -> bodies.OpenShare:
    reader = Reader(data, what="share")
    share = bodies.OpenShare.read(reader)
    reader.end()
    return share


def _write_share(share: bodies.OpenShare) -> bytes:
    writer = Writer()
    share.write(writer)
    return writer.finish()


def manifests() -> list[Manifest]:
    """Of a training and of an evaluation of several models."""
    tune = Configuration({"learning_rate": 0.1, "width": 32}, {"quantization": "int8", "cached": True})
    items = tuple(ManifestItem(f"m{n}", sha256(bytes([n])).hexdigest(), "onnx", tune) for n in range(3))
    return [
        Manifest(items, Split.VALIDATION, (4, -7, 2**63 - 1), "ab" * 32),
        Manifest((replace(items[0], form="parameters"),), Split.TRAIN, (1,), "00"),
        Manifest((), Split.TRAIN, None, ""),
    ]


def _grown_manifest(size: int) -> bytes:
    return replace(manifests()[0], constants=tuple(range(10**6, 10**6 + size // 8))).encode()


def studies() -> list[bytes]:
    """In canonical form."""
    return [canonical_json(study.to_json()) for study in (toy_study(), _ward(), _limited(), _texts())]


def _texts() -> Study:
    """Whose schema is one of texts, with every key."""
    label = {"name": "kind", "classes": {"NUM": ["NUM", 1], "LOC": ["LOC"]}, "until": ":"}
    cleaning = {"html": True, "scripts": ["latin"], "longest": 512, "duplicates": "near"}
    columns = ["kind", "text", "pair", "part"]
    schema = {"form": "text", "format": "tsv", "columns": columns, "label": label, "pair": "pair", "split": "part"}
    return toy_study(schema={**schema, "cleaning": cleaning})


def _limited() -> Study:
    """With every limit, and with what its author knows already."""
    study = toy_study()
    budget = Budget(trials=9, wall=timedelta(hours=2), bytes=2 * 10**9, energy=5 * 10**6, gain=0.5)
    reference = study.reference_configuration
    sampler = replace(study.sampler, name="bayes", believed=(reference,), warm_start=("heart-0a1b2c",))
    return replace(study, budget=budget, sampler=sampler, reference=reference)


@cache
def _ward() -> Study:
    return load_study(STUDY).study


def _grown_study(size: int) -> bytes:
    study = _ward().to_json()
    study["schema"]["missing"] = [f"m{number:07}" for number in range(size // 11)]
    return canonical_json(study)


def _counters(data: bytes) -> CounterLayout:
    return replace(SPEC, counters=data).counter_layout


def _layouts() -> list[bytes]:
    wide = CounterLayout((CounterField("m/histogram", (2, 64)), CounterField("m/loss", (), 2.0**30)))
    return [SPEC.counters, canonical_json(wide.to_json())]


def _grown_layout(size: int) -> bytes:
    return canonical_json(CounterLayout((CounterField("name", (2, 64)),) * (size // 50)).to_json())


def _tokens() -> list[bytes]:
    return [
        JoinToken(address, "ab" * 32, bytes(range(16))).encode().encode()
        for address in ("tune.example.org:7442", "[::1]:7442", "127.0.0.1:1")
    ]


def _spelled_token(data: bytes) -> bytes:
    """Blanks around a token are forgiven, and its secret may be in capitals."""
    head, _, secret = data.decode(errors="surrogateescape").strip().rpartition(".")
    return f"{head}.{secret.lower()}".encode(errors="surrogateescape")


def _text(parse: Callable[[str], Any]) -> Callable[[bytes], Any]:
    return lambda data: parse(data.decode(errors="surrogateescape"))


def _session_key(data: bytes) -> bytes:
    require_sound(data, site="s00")
    return data


def _spec_samples() -> Sequence[bytes]:
    return [SPEC.encode(), replace(SPEC, models=(), masked=False, ring_bits=16).encode()]


BODIES = (
    *(bodies.Advert, bodies.Adverts, bodies.Shares, bodies.SharesFor, bodies.Masked, bodies.Survivors),
    *(bodies.SurvivorSignature, bodies.Signatures, bodies.Unmask, bodies.Acknowledged),
)
CORE = (
    *map(_body, BODIES),
    Parser("encoding", _primitives, (Malformed,), lambda: [_write_primitives(VALUES)], _write_primitives),
    Parser("message", Message.decode, (Malformed,), lambda: [m[0].encode() for m in _messages().values()],
           lambda value: value.encode()),
    Parser("session-spec", SessionSpec.decode, (Malformed,), _spec_samples, lambda value: value.encode()),
    JsonParser("counter-layout", _counters, (Malformed,), _layouts, lambda value: canonical_json(value.to_json()),
               grow=_grown_layout),
    Parser("roster", Roster.decode, (Malformed, BadRoster), lambda: [DEPLOYMENT.roster.encode()],
           lambda value: value.encode(), memory=(48, 64 * 1024)),
    Parser("session-record", lambda data: decode_record(data, spec=SPEC, roster=DEPLOYMENT.roster, running=_running()),
           (Malformed, Refused), lambda: [_record()], lambda value: encode_record(value, spec=SPEC)),
    Parser("vector-image", lambda data: MaskedVector.from_bytes(SPEC.layout, data), (WrongVector,),
           lambda: [finished().stored_running], lambda value: value.to_bytes()),
    Parser("sealed-metrics", lambda data: open_sealed(STUDY_KEY.private, data, context=b"dev", signer=SITE.public.raw),
           (NotSealedForUs, BadSignature, Malformed), _sealed),
    Parser("study-key", lambda data: seal(data, b"x", context=b"dev", signer=SITE), (Malformed,),
           lambda: [STUDY_KEY.public]),
    Parser("sealed-shares", lambda data: _share_channel("b", "a", THEIRS, MINE).open(data), (BadShare,),
           _sealed_shares),
    Parser("share", _share, (Malformed,), lambda: [_write_share(bodies.OpenShare(2**255, bytes(32)))], _write_share),
    Parser("session-key", _session_key, (BadKey,), lambda: [public_key(MINE)], bytes),
    Parser("site-key", SitePublicKey, (Malformed,), lambda: [SITE.public.raw], lambda value: value.raw),
    Parser("private-site-key", SiteKey.from_bytes, (Malformed,), lambda: [bytes(32)], lambda value: value.to_bytes()),
    JsonParser("manifest", Manifest.decode, (BadManifest,), lambda: [m.encode() for m in manifests()],
           lambda value: value.encode(), grow=_grown_manifest),
    JsonParser("configuration", lambda data: Configuration.from_json(read_canonical(data, what="configuration")),
           (Malformed, BadConfiguration), lambda: [canonical_json(m.items[0].configuration.to_json()) for m in
           manifests()[:1]], lambda value: canonical_json(value.to_json())),
    JsonParser("study", decode_study, (Malformed, StudyError), studies, lambda value: canonical_json(value.to_json()),
           memory=(256, 1024 * 1024), grow=_grown_study),
    Parser("join-token", _text(JoinToken.parse), (BadToken,), _tokens, lambda value: value.encode().encode(),
           _spelled_token),
    Parser("identity", _text(Identity.parse), (BadIdentity,), lambda: [b"spiffe://north/agent/st-mary-1"],
           lambda value: str(value).encode()),
)  # fmt: skip
