"""The parsers of measurements, children, models, and of files that an administrator or a user hands in."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from autoglm.errors import BadPick, UnreadableResult
from autoglm.pick_archive import unpack_pick
from autoglm.results import Result
from autoglm.strict_yaml import YamlError, read_yaml
from autoglm.study_file import StudyFileError, parse_study_text
from autoglm_agent.audit import START, AuditEntry, verify
from autoglm_agent.config import parse_config
from autoglm_agent.errors import AuditBroken, BadConfig
from autoglm_agent.probe import read_manifest
from autoglm_coordinator.trials.figures import read_figures
from autoglm_core.canonical import Json, canonical_json, digest
from autoglm_core.codes import RefusedWith
from autoglm_core.encoding import Malformed
from autoglm_core.errors import Kind, RemoteError
from autoglm_core.measurement import Measurement, Provenance, measurements_to_json
from autoglm_core.reason import How, Reason
from autoglm_core.trial import StageName, StageRecord, Trial, TrialState
from autoglm_core.workload import WrongLength
from autoglm_workloads.child import frames
from autoglm_workloads.child.answers import Answer, read_answer
from autoglm_workloads.child.model_bytes import BadModel, ExternalData, refuse_external_data
from autoglm_workloads.site_tasks import Site
from autoglm_workloads.synthetic import WORKLOAD
from support.agent_sites import toy_study
from support.parser_contract import JsonParser, Parser
from support.parsers_core import manifests
from support.ward import STUDY

SLOW = 2048
YAML_MEMORY = (2048, 512 * 1024)
SHAPES = ("ab" * 32, "cd" * 32)
SITE = Site(toy_study(model={"name": "vector", "options": {"parameters": 64}}), WORKLOAD, None)
CONFIGURATION = manifests()[0].items[0].configuration
AGENT_TOML = """name = "st-mary"
state = "state"
[coordinator]
address = "tune.example.org:7443"
[data.heart]
path = "data/heart.csv"
workload = "tabular-classification"
[policy]
approval = "rules"
[[policy.rules]]
workloads = ["tabular-classification"]
max_rounds = 50
[limits]
memory_gb = 4.0
hours = "20:00-06:00"
"""


def _text(parse: Callable[[str], Any]) -> Callable[[bytes], Any]:
    return lambda data: parse(data.decode(errors="replace"))


# Measurements


def _probe_manifests() -> list[bytes]:
    item = {"key": SHAPES[0], "artifact": "01" * 32, "inputs": "02" * 32, "outputs": "03" * 32, "threads": 1}
    item |= {"input_type": "float32", "input_shape": [4, 13], "output_shape": [4, 2]}
    other = {**item, "key": SHAPES[1], "threads": 4}
    return [canonical_json({"items": [item, other], "reference": item, "seconds": 1.0})]


def _figures() -> list[bytes]:
    figure = Measurement(1.5, 0.01, 640, Provenance.MEASURED)
    entry = {
        "measurements": measurements_to_json({"latency_p50_ms": figure, "energy_mj": figure}),
        "beside": measurements_to_json({"cpu_ms": figure}),
        "agreement": {"max_abs_difference": 1e-6, "rows": 4},
    }
    return [canonical_json({"items": dict.fromkeys(SHAPES, entry), "reference": entry, "facts": {"cores": 2}})]


# Children and models


def _heads() -> list[bytes]:
    sent: list[tuple[Json, list[bytes]]] = [
        ({"task": "train", "meta": {"seed": "ab"}}, [b"x" * 9, b""]),
        ({"meta": {}, "resident": 7}, []),
    ]
    return [bytes(frames.encode(fields, blobs)[0][frames.PREFIX.size :]) for fields, blobs in sent]


def _write_head(head: frames.Head) -> bytes:
    return canonical_json({**head.fields, "sizes": list(head.sizes)})


def _prefix(data: bytes) -> int:
    return frames.head_length(data[: frames.PREFIX.size].ljust(frames.PREFIX.size, b"\xff"))


def _answer(data: bytes) -> Answer:
    return read_answer(frames.decode_head(data).fields)


def _answers() -> list[bytes]:
    error = {"code": "data-empty", "kind": str(Kind.INVALID), "message": "no row", "data": {"rows": 0}}
    return [canonical_json({**fields, "sizes": []}) for fields in ({"meta": {"weight": 9}, "resident": 4096},
                                                                  {"error": error, "resident": 4096})]  # fmt: skip


def _model(data: bytes) -> bytes:
    refuse_external_data(data)
    return data


@cache
def _models() -> Sequence[bytes]:
    from support.onnx_models import constant_in_branch, two_layers

    return [two_layers(2), two_layers(2, external=True), constant_in_branch(2, depth=2)]


def _parameters(data: bytes) -> np.ndarray[Any, Any]:
    return SITE.parameters(data, CONFIGURATION)


# Files


def _audit_lines() -> list[bytes]:
    lines, previous = [], START
    for number in range(1, 4):
        entry = AuditEntry(number, "hello", 100 + number, f"{number:064x}", "heart", previous)
        lines.append(entry.encode())
        previous = digest(lines[-1])
    return lines


def _audit_file(data: bytes) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "audit.jsonl")
        path.write_bytes(data)
        return len(list(verify(path)))


def _results() -> list[bytes]:
    figure = Measurement(0.9, 0.01, 64, Provenance.SECURE_SUM)
    stage = StageRecord(StageName.TUNE, "ab" * 32, cached=False, seconds=1.5, rounds=3)
    reason = Reason(How.MODEL, {"accuracy": (0.8, 0.1)}, log_gain=-2.0)
    trial = Trial(1, CONFIGURATION, TrialState.COMPLETED, (stage,), {"pi5": {"accuracy": figure}}, reason=reason)
    value = {
        "format": 1,
        "study": {"id": "heart", "sampler": "bayes"},
        "objectives": [{"name": "accuracy", "direction": "maximize"}],
        "trials": [{**trial.to_json(), "ranks": {"pi5": 1}}],
        "fronts": {"pi5": [{"trial": 1, "accuracy": 0.9}]},
        "hypervolume": {"pi5": {"reference": {"accuracy": 0.0}, "steps": [{"trial": 1, "share": 1.0}]}},
        "stopped": None,
    }
    return [canonical_json(value)]


def _picks() -> list[bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("model.onnx", "README.md"):
            entry = tarfile.TarInfo(name)
            entry.size = 100
            archive.addfile(entry, io.BytesIO(bytes(100)))
    return [buffer.getvalue()[:2560]]


def _study_file(text: str) -> object:
    return parse_study_text(text, file="study.yaml", folder=Path("/"))


FILES = (
    JsonParser("probe-manifest", read_manifest, (RefusedWith,), _probe_manifests, canonical_json),
    JsonParser("figures", lambda data: read_figures(data, SHAPES), (Malformed,), _figures),
    JsonParser("frame-head", frames.decode_head, (frames.BadFrame,), _heads, _write_head),
    Parser("frame-length", _prefix, (frames.BadFrame,), lambda: [frames.PREFIX.pack(70)]),
    JsonParser("child-answer", _answer, (frames.BadFrame, RemoteError), _answers),
    Parser("onnx-model", _model, (BadModel, ExternalData), lambda: _models(), bytes, bomb=SLOW),
    Parser("model-parameters", _parameters, (WrongLength,), lambda: [bytes(256)], lambda value: value.tobytes()),
    JsonParser("audit-entry", lambda data: AuditEntry.decode(data, sequence=1), (AuditBroken,), _audit_lines,
           lambda value: value.encode()),
    Parser("audit-log", _audit_file, (AuditBroken,), lambda: [b"\n".join([*_audit_lines(), b""])]),
    JsonParser("result", Result.parse, (UnreadableResult,), _results, lambda value: value.source),
    Parser("pick-archive", unpack_pick, (BadPick,), _picks),
    Parser("yaml", _text(read_yaml), (YamlError,), lambda: [STUDY.read_bytes()], memory=YAML_MEMORY, bomb=SLOW),
    Parser("study-file", _text(_study_file), (StudyFileError,), lambda: [STUDY.read_bytes()], memory=YAML_MEMORY,
           bomb=SLOW),
    Parser("agent-toml", _text(lambda text: parse_config(text, folder=Path("/"))), (BadConfig,),
           lambda: [AGENT_TOML.encode()], memory=(64, 256 * 1024)),
)  # fmt: skip
