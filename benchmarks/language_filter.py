"""What `cleaning: {languages: [...]}` drops of texts whose language is known.

    language_filter.py FILE=LANGUAGE ... [--encoding latin-1] [--rows 3000] [--declared en] [--json]

A row of a file is a line, or with `--unit paragraph` what stands between lines of `%` (fortune files). Of a file in a
declared language every dropped row is wrongly dropped; of any other, every row that stays is wrongly kept.

    python benchmarks/language_filter.py ../shared/data/banking77/train.csv=en ../shared/data/thucnews_titles/dev.txt=zh
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from autoglm_core.text_cleaning import Cleaning
from autoglm_workloads.text.data.cleaning import cleaner, refused
from autoglm_workloads.text.data.languages import in_another_language


def main() -> None:
    """Print a table or JSON."""
    asked = _parser().parse_args()
    in_another_language("The model is loaded once.", tuple(asked.declared))
    figures = [_figures(name, asked) for name in asked.files]
    if asked.json:
        print(json.dumps(figures))
        return
    print(f"declared: {', '.join(asked.declared)}")
    for one in figures:
        print("  ".join(f"{key} {value}" for key, value in one.items()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE=LANGUAGE")
    parser.add_argument("--declared", type=lambda text: text.split(","), default=["en"])
    parser.add_argument("--encoding", default="utf-8")
    parser.add_argument("--unit", choices=("line", "paragraph"), default="line")
    parser.add_argument("--rows", type=int, default=3000, help="at most, drawn at random")
    parser.add_argument("--json", action="store_true")
    return parser


def _figures(name: str, asked: argparse.Namespace) -> dict[str, str | int | float]:
    path, language = name.rsplit("=", 1)
    text = Path(path).read_text(asked.encoding)
    clean = cleaner(Cleaning())
    rows = [
        row for part in (text.split("\n%\n") if asked.unit == "paragraph" else text.split("\n")) if (row := clean(part))
    ]
    drawn = [rows[at] for at in np.random.default_rng(0).permutation(len(rows))[: asked.rows]]
    cleaning = Cleaning(languages=tuple(asked.declared))
    begun = time.process_time()
    dropped = sum(refused(row, cleaning) is not None for row in drawn)
    seconds = time.process_time() - begun
    return {
        "file": Path(path).name,
        "language": language,
        "rows": len(drawn),
        "characters": float(np.median([len(row) for row in drawn])),
        "dropped": round(dropped / len(drawn), 4),
        "us_per_row": round(1e6 * seconds / len(drawn), 1),
    }


if __name__ == "__main__":
    main()
