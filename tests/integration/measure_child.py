"""Real models measured in a real child, as a device does it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from autoglm_core.canonical import Json
from autoglm_core.errors import RemoteError
from autoglm_core.measurement import Provenance, measurements_from_json
from autoglm_workloads.child.host import ChildProcess, Reply
from support.onnx_models import looked_up, two_layers

TABLE = "autoglm_agent.measure.tasks:TABLE"
ROWS = 3


class Lease:
    """A probe's manifest and its blobs, built model by model."""

    def __init__(self) -> None:
        self.items: list[Json] = []
        self.artifacts: dict[str, bytes] = {}

    def add(self, key: str, model: bytes, *, width: int, threads: int = 1, off_by: float = 0.0) -> None:
        inputs = np.random.default_rng(1).standard_normal((ROWS, width)).astype(np.float32)
        session = onnxruntime.InferenceSession(two_layers(width), providers=["CPUExecutionProvider"])
        outputs = session.run(None, {"input": inputs})[0] + np.float32(off_by)
        self.artifacts |= {f"{key}.m": model, f"{key}.i": inputs.tobytes(), f"{key}.o": outputs.tobytes()}
        self._list(key, inputs, outputs, threads)

    def add_language(self, key: str, model: bytes) -> None:
        """A model of token ids whose logits are those of every token."""
        inputs = np.arange(ROWS * 5, dtype=np.int64).reshape(ROWS, 5)
        outputs = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"input": inputs})[
            0
        ]
        self.artifacts |= {f"{key}.m": model, f"{key}.i": inputs.tobytes(), f"{key}.o": outputs.tobytes()}
        self._list(key, inputs, outputs, 1)

    def _list(self, key: str, inputs: NDArray[Any], outputs: NDArray[Any], threads: int) -> None:
        item = {"key": key, "threads": threads, "artifact": f"{key}.m", "inputs": f"{key}.i", "outputs": f"{key}.o"}
        item |= {"input_type": inputs.dtype.name, "input_shape": list(inputs.shape)}
        self.items.append({**item, "output_shape": list(outputs.shape)})

    def meta(self, **changes: Any) -> Json:
        known = {"seconds": 0.2, "watts": 5.0, "meter": "modelled", "artifacts": list(self.artifacts)}
        return {"items": self.items[1:], "reference": self.items[0], **known, **changes}

    def run(self, **changes: Any) -> Reply:
        async def story() -> Reply:
            async with ChildProcess(tasks=TABLE, cpus=[min(os.sched_getaffinity(0))]) as child:
                return await child.call("measure", self.meta(**changes), list(self.artifacts.values()), timeout=60)

        return asyncio.run(story())


@pytest.fixture
def lease() -> Lease:
    lease = Lease()
    lease.add("reference", two_layers(16), width=16)
    return lease


def test_a_lease_gives_every_figure_of_every_model(lease: Lease) -> None:
    lease.add("small", two_layers(16), width=16)
    lease.add("large", two_layers(768), width=768)
    reply = lease.run().meta
    small, large = (measurements_from_json(reply["items"][key]["measurements"]) for key in ("small", "large"))
    assert set(small) == {"latency_p50_ms", "latency_p95_ms", "energy_mj", "memory_mb"}
    assert small["latency_p50_ms"].mean < large["latency_p50_ms"].mean <= large["latency_p95_ms"].mean
    assert small["energy_mj"].mean < large["energy_mj"].mean
    assert large["energy_mj"].provenance is Provenance.MODELLED
    assert large["latency_p95_ms"].count >= 130
    weights_mb = 768 * (768 + 4) * 4 / 1e6
    assert weights_mb * 0.8 < large["memory_mb"].mean < weights_mb * 3
    assert reply["facts"]["sandboxed"] is True
    assert reply["facts"]["cpus"] == 1


def test_agreement_is_the_largest_difference_from_the_expected_outputs(lease: Lease) -> None:
    lease.add("off", two_layers(32), width=32, off_by=0.25)
    reply = lease.run().meta
    assert reply["items"]["off"]["agreement"] == {"max_abs_difference": pytest.approx(0.25, abs=1e-5), "rows": ROWS}
    assert reply["reference"]["agreement"]["max_abs_difference"] < 1e-5


def test_a_model_of_token_ids_is_measured_and_its_logits_of_every_token_compared(lease: Lease) -> None:
    lease.add_language("language", looked_up(16))
    entry = lease.run().meta["items"]["language"]
    assert entry["agreement"] == {"max_abs_difference": 0.0, "rows": ROWS}
    assert measurements_from_json(entry["measurements"])["latency_p50_ms"].mean > 0


@pytest.mark.parametrize("said", ["float32", "float64"])
def test_token_ids_said_to_be_something_else_are_refused(lease: Lease, said: str) -> None:
    lease.add_language("language", looked_up(16))
    lease.items[1]["input_type"] = said
    assert _refusal(lease) == "bad-measure-task"


def test_the_reference_may_itself_be_asked_for(lease: Lease) -> None:
    reply = lease.run(items=lease.items).meta
    assert reply["items"]["reference"] == reply["reference"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"artifacts": []}, "bad-measure-task"),
        ({"seconds": 1e9}, "bad-measure-task"),
        ({"seconds": -1.0}, "bad-measure-task"),
        ({"reference": {}}, "bad-measure-task"),
        ({"meter": "crystal"}, "unknown-meter"),
    ],
)
def test_what_cannot_be_measured_is_named(lease: Lease, changes: Json, code: str) -> None:
    assert _refusal(lease, **changes) == code


def test_a_model_with_weights_elsewhere_is_refused(lease: Lease) -> None:
    lease.add("external", two_layers(16, external=True), width=16)
    assert _refusal(lease) == "external-data"


def test_inputs_of_another_shape_than_said_are_refused(lease: Lease) -> None:
    lease.items[0]["input_shape"] = [ROWS, 17]
    assert _refusal(lease) == "bad-measure-task"


def test_the_measure_package_leaves_the_runtime_to_the_child() -> None:
    probe = "import sys, autoglm_workloads.child.energy, autoglm_agent.measure.machine; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True, text=True).stdout.split()
    assert not {"torch", "onnx", "onnxruntime"} & set(modules)


def _refusal(lease: Lease, **changes: Any) -> str:
    with pytest.raises(RemoteError) as refused:
        lease.run(**changes)
    return refused.value.remote_code
