"""Fine-tuning over sites against the same model trained on all their rows in one place.

    finetune.py trec [--seeds 0,1,2] [--json]     classes of questions, MiniLM with LoRA, 4 label-skewed sites
    finetune.py banking77                         77 intents
    finetune.py wnut17                            named entities: BIO and BIOES, plain and focal loss
    finetune.py tinyshakespeare                   a tiny GLM-4 from its configuration, ten speakers
    finetune.py averaging                         FFA-LoRA against averaging A and B, on trec
    finetune.py trec --variants controller        adaptive tuning, on trec

The federated run is `autoglm simulate`: a real coordinator, real agents, secure sum on, test rows counted once, at the
end, on the exported ONNX model. The pooled run is the same workload on the training rows of all sites in one place; its
model is counted on the same test rows. Runs are kept in the folder `--out` and not made again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from finetune_runs import Outcome, federated, pooled
from finetune_tasks import TASKS

AVERAGING = "averaging"
VARIANTS: Mapping[str, Sequence[str]] = {AVERAGING: ["plain averaging"], "wnut17": ["bioes", "focal", "bioes focal"]}
"""Of a task's configuration: those that a table of it is about."""


def main() -> None:
    """Run what is asked, print a table or JSON."""
    asked = _parser().parse_args()
    name = "trec" if asked.task == AVERAGING else asked.task
    variants = ["", *(VARIANTS.get(asked.task, ()) if asked.variants is None else asked.variants)]
    rows = {variant: _row(name, variant, asked) for variant in variants}
    figures = _figures(rows)
    print(json.dumps(figures) if asked.json else _table(name, rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=(*TASKS, AVERAGING))
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1, 2])
    parser.add_argument("--variants", type=lambda text: text.split(","), help="further configurations")
    parser.add_argument("--only", choices=("federated", "pooled"), help="one of the two")
    parser.add_argument("--out", default="finetune-rows", type=Path, help="folder of the runs")
    parser.add_argument("--json", action="store_true")
    return parser


def _row(name: str, variant: str, asked: argparse.Namespace) -> Mapping[str, Sequence[Outcome]]:
    """Outcomes over the seeds, pooled and federated."""
    kinds = {"pooled": pooled, "federated": federated}
    return {
        kind: [_kept(asked.out, name, variant, kind, seed) for seed in asked.seeds]
        for kind in kinds
        if asked.only in (None, kind)
    }


def _kept(folder: Path, name: str, variant: str, kind: str, seed: int) -> Outcome:
    """The run that stands in `folder`, made first if it is not there."""
    label = f"{name}-{variant.replace(' ', '-')}-{kind}-{seed}" if variant else f"{name}-{kind}-{seed}"
    path = folder / f"{label}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        run = federated if kind == "federated" else pooled
        path.write_text(json.dumps(run(TASKS[name], variant, seed).to_json()) + "\n")
    return Outcome(**json.loads(path.read_text()))


def _figures(rows: Mapping[str, Mapping[str, Sequence[Outcome]]]) -> dict[str, Any]:
    """Medians over seeds; the first configuration's at the top, all of them under `variants`."""
    figures = {variant or "usual": _medians(row) for variant, row in rows.items()}
    return {**figures["usual"], "variants": figures}


def _medians(row: Mapping[str, Sequence[Outcome]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for kind, outcomes in row.items():
        figures[f"{kind}_{outcomes[0].metric}"] = median(outcome.test for outcome in outcomes)
        figures[f"{kind}_each"] = [outcome.test for outcome in outcomes]
        figures[f"{kind}_seconds"] = median(outcome.seconds for outcome in outcomes)
    if "federated" in row:
        last = row["federated"][-1]
        figures["seconds"] = figures["federated_seconds"]
        figures["bytes_per_round"] = median(outcome.bytes_per_round for outcome in row["federated"])
        figures |= {"adapter_bytes": last.adapter_bytes, "head_bytes": last.head_bytes}
    return figures


def _table(name: str, rows: Mapping[str, Mapping[str, Sequence[Outcome]]]) -> str:
    lines = [
        f"{name}: median of test rows over seeds, each seed in brackets",
        f"{'configuration':18} {'':10} {'test':>8}  {'seconds':>8} {'bytes/round':>12} {'adapter':>9} {'head':>8}",
    ]
    for variant, row in rows.items():
        for kind, outcomes in row.items():
            each = ", ".join(f"{outcome.test:.4f}" for outcome in outcomes)
            seconds, traffic = (median(getattr(o, key) for o in outcomes) for key in ("seconds", "bytes_per_round"))
            lines.append(
                f"{variant or 'usual':18} {kind:10} {median(o.test for o in outcomes):8.4f}  {seconds:8.0f} "
                f"{traffic:12.0f} {outcomes[0].adapter_bytes:9d} {outcomes[0].head_bytes:8d}  [{each}]"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
