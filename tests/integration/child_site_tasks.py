"""A site's tasks in a real child: what they answer, and that nothing of one task is left for the next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoglm_core.canonical import Json
from autoglm_core.configuration import Configuration
from autoglm_core.errors import RemoteError
from autoglm_core.parse_study import parse_study
from autoglm_core.study import Study
from autoglm_core.training_cost import TrainingCost
from autoglm_core.workload import ModelSide
from autoglm_workloads.child.host import ChildProcess, Reply
from autoglm_workloads.registry import load_workload
from support.onnx_models import two_layers

TABLE = "autoglm_workloads.site_tasks:TABLE"
SEED = "07" * 32
WATTS = 4.0
FIRST = Configuration(
    tune={"width": 4, "learning_rate": 0.05, "batch_size": 16}, deploy={"quantization": "int8-static"}
)
SECOND = Configuration(tune={"width": 8, "learning_rate": 0.01, "batch_size": 32}, deploy={"quantization": "none"})


@cache
def study() -> Study:
    return parse_study(
        {
            "name": "tiles",
            "workload": "image-classification",
            "data": "tiles",
            "model": "small-cnn",
            "schema": {
                "form": "image",
                "height": 8,
                "width": 8,
                "channels": 1,
                "scale": 16,
                "classes": ["a", "b", "c"],
            },
            "search": {
                "tune": {"width": [4, 8], "learning_rate": "loguniform(1e-3, 1e-1)", "batch_size": [16, 32]},
                "deploy": {"quantization": ["none", "int8-static"]},
            },
            "objectives": {"accuracy": "maximize", "latency_p95_ms": "minimize"},
            "rounds": 2,
            "budget": {"trials": 4},
            "device_classes": ["any"],
        }
    )


def side() -> ModelSide:
    return load_workload(study().workload).model_side


@dataclass(frozen=True)
class Call:
    """One call of a child."""

    task: str
    extra: Json
    blobs: tuple[Any, ...] = ()

    async def of(self, child: ChildProcess, path: Path) -> Reply:
        meta = {"study": study().to_json(), "data": str(path), **self.extra}
        return await child.call(self.task, meta, self.blobs, timeout=60)


def calls() -> list[Call]:
    """One of each task, over two configurations."""
    constants = side().constants_layout(study()).encode(side().probe_constants(study()))
    weights = {entry.tune_key: side().initial(study(), entry.tune, bytes(32)) for entry in (FIRST, SECOND)}
    both = {"configurations": [FIRST.to_json(), SECOND.to_json()], "split": "validation"}
    counters = side().probe_constants(study())
    watched = side().export_calibration(study(), FIRST, weights[FIRST.tune_key], counters)
    model = side().export(study(), SECOND, weights[SECOND.tune_key], counters, None).model

    def train(entry: Configuration) -> Call:
        extra = {"configuration": entry.to_json(), "round": 1, "seed": SEED, "watts": WATTS}
        return Call("train", extra, (constants, weights[entry.tune_key]))

    return [
        Call("constants", {}),
        train(FIRST),
        train(SECOND),
        Call("evaluate", both, (constants, *weights.values())),
        Call("calibrate", {"configurations": [FIRST.to_json()]}, (watched,)),
        Call("evaluate-model", {**both, "configurations": [SECOND.to_json()]}, (model,)),
    ]


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """Images of 8 x 8 whose class is where they are bright."""
    stream = np.random.default_rng(5)
    labels = stream.integers(0, 3, size=150)
    images = stream.integers(0, 6, size=(150, 8, 8)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 3] += 9
    np.savez(tmp_path / "tiles.npz", images=images, labels=labels)
    return tmp_path / "tiles.npz"


async def answers(path: Path, *asked: Call) -> list[tuple[Json, list[bytes]]]:
    """Replies of one child, in order."""
    async with ChildProcess(tasks=TABLE) as child:
        replies = [await call.of(child, path) for call in asked]
    return [(reply.meta, [bytes(blob) for blob in reply.blobs]) for reply in replies]


def content(replies: list[tuple[Json, list[bytes]]]) -> list[tuple[Json, list[bytes]]]:
    """Without what training cost, which is never twice the same."""
    return [({name: meta[name] for name in meta if name != "cost"}, blobs) for meta, blobs in replies]


def test_task_b_after_task_a_equals_task_b_alone(tiles: Path) -> None:
    async def story() -> None:
        asked = calls()
        after_others = content(await answers(tiles, *asked, *reversed(asked)))
        forwards, backwards = after_others[: len(asked)], after_others[len(asked) :][::-1]
        assert forwards == backwards
        for index in (1, 3, 4):
            assert content(await answers(tiles, asked[index])) == [forwards[index]]

    asyncio.run(story())


def test_answers_have_the_form_of_their_layouts(tiles: Path) -> None:
    async def story() -> None:
        constants, train, _, evaluate, calibrate, evaluate_model = await answers(tiles, *calls())
        rows = side().constants_layout(study()).decode(np.frombuffer(constants[1][0], "<i8"))["rows"]
        assert 80 < rows < 100
        assert constants[0]["weight"] == train[0]["weight"] == rows

        delta = np.frombuffer(train[1][0], "<f4")
        assert delta.size == side().layout(study(), FIRST.tune).size
        assert 0 < np.abs(delta).max() < 1

        size = 8 * side().evaluate_layout(study()).size
        assert [len(blob) for blob in (*evaluate[1], *evaluate_model[1])] == [size] * 3
        assert len(calibrate[1][0]) == 8 * side().calibrate_layout(study(), FIRST).size

    asyncio.run(story())


def test_another_seed_gives_another_update(tiles: Path) -> None:
    async def story() -> None:
        train = calls()[1]
        other = Call("train", {**train.extra, "seed": "08" * 32}, train.blobs)
        first, second = await answers(tiles, train, other)
        assert first[1][0] != second[1][0]

    asyncio.run(story())


def test_a_training_tells_what_it_cost(tiles: Path) -> None:
    """This machine may or may not have a counter of energy: joules are then measured or modelled, never both."""

    async def story() -> None:
        ((meta, _),) = await answers(tiles, calls()[1])
        cost = TrainingCost.from_json(meta["cost"])
        assert 0 < cost.seconds < 60
        assert 30 < cost.memory_mb < 4000
        assert sorted((cost.measured > 0, cost.modelled > 0)) == [False, True]
        if cost.modelled:
            assert cost.modelled <= 1.2 * WATTS * cost.seconds, "one thread"

    asyncio.run(story())


def test_rows_that_were_replaced_are_read_again(tiles: Path) -> None:
    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            before = await Call("constants", {}).of(child, tiles)
            with np.load(tiles) as archive:
                images, labels = archive["images"], archive["labels"]
            np.savez(tiles, images=images[:50], labels=labels[:50])
            after = await Call("constants", {}).of(child, tiles)
            assert after.meta["weight"] < before.meta["weight"]

    asyncio.run(story())


def test_what_is_wrong_comes_back_typed_and_without_the_path(tiles: Path) -> None:
    train, evaluate = calls()[1], calls()[3]
    external = Call(
        "evaluate-model", {**evaluate.extra, "configurations": [FIRST.to_json()]}, (two_layers(8, external=True),)
    )
    wrong = {
        "data-missing": (Call("load", {}), tiles.parent / "secret-name.npz"),
        "wrong-length": (Call("train", train.extra, (train.blobs[0], np.zeros(3, np.float32))), tiles),
        "wrong-blobs": (Call("evaluate", evaluate.extra, evaluate.blobs[:2]), tiles),
        "bad-counters": (Call("train", train.extra, (b"\0" * 8, train.blobs[1])), tiles),
        "external-data": (external, tiles),
    }

    async def story() -> None:
        async with ChildProcess(tasks=TABLE) as child:
            for code, (call, path) in wrong.items():
                with pytest.raises(RemoteError) as failed:
                    await call.of(child, path)
                assert failed.value.remote_code == code
                assert "secret-name" not in f"{failed.value} {failed.value.data}"

    asyncio.run(story())
