"""Writes docs/vectors/secure-sum: what another implementation of docs/secure-sum.md must reproduce byte for byte.

    python benchmarks/make_secure_sum_vectors.py [--check] [--folder docs/vectors/secure-sum]

With `--check` nothing is written: the exit status is 1 if a file is not what this implementation makes of its inputs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from secure_sum_cast import Case
from secure_sum_primitives import primitives
from secure_sum_refusals import REFUSING, refusals
from secure_sum_sessions import session

from autoglm_core.canonical import Json
from autoglm_core.privacy.coordinator_session import Phase

FOLDER = Path(__file__).parents[1] / "docs" / "vectors" / "secure-sum"
CASES = (
    Case("four-sites", "Four sites, nobody drops, 32-bit ring.", sites=4),
    Case(
        "five-sites",
        "Five sites, one drops after its shares went out: its masks are taken out of the sum. 16-bit ring.",
        sites=5,
        ring_bits=16,
        silent_from={"delft": Phase.MASK},
    ),
    Case(
        "nine-sites",
        "Nine sites: one never advertises, one drops after its shares went out, one signs and sends no shares.",
        sites=9,
        silent_from={"cluj": Phase.ADVERTISE, "ghent": Phase.MASK, "jena": Phase.UNMASK},
    ),
    Case(
        "random-k",
        "Four sites, a pattern of 12 out of 40 parameters, 16-bit ring, one site drops after its advert.",
        sites=4,
        ring_bits=16,
        dimension=40,
        silent_from={"aarhus": Phase.SHARE},
    ),
    REFUSING,
    Case(
        "clear",
        "Two sites that trust the coordinator: no masks, no shares.",
        sites=2,
        changes={"masked": False, "minimum_cohort": 1},
    ),
    Case(
        "abort-mask",
        "Three sites tolerate no dropout: `too-few-sites`.",
        sites=3,
        silent_from={"cluj": Phase.MASK},
    ),
    Case(
        "abort-unmask",
        "Three sites, one signs the survivors and sends no shares: `too-few-sites`.",
        sites=3,
        silent_from={"cluj": Phase.UNMASK},
    ),
)


def files(folder: Path) -> dict[str, str]:
    """Content by file name; `folder` holds what was made before."""
    before = folder / "primitives.json"
    sealed_before = json.loads(before.read_text())["sealed_metrics"]["sealed"] if before.exists() else ""
    sessions = {case.name: session(case) for case in CASES}
    vectors: dict[str, Json] = {
        "primitives": primitives(sealed_before=sealed_before),
        "refusals": refusals(sessions[REFUSING.name]),
        **sessions,
    }
    return {f"{name}.json": json.dumps(value, indent=1, sort_keys=True) + "\n" for name, value in vectors.items()}


def differing(folder: Path, made: dict[str, str]) -> list[str]:
    """Names of files that are missing, other than made, or left over."""
    found = {path.name: path.read_text() for path in folder.glob("*.json")}
    return sorted(name for name in {*made, *found} if made.get(name) != found.get(name))


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file differs")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    made = files(arguments.folder)
    if arguments.check:
        stale = differing(arguments.folder, made)
        print(f"differ: {', '.join(stale)}" if stale else f"{len(made)} files are up to date")
        return 1 if stale else 0
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (arguments.folder / name).write_text(text)
    print(f"{len(made)} files, {sum(map(len, made.values()))} bytes in {arguments.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
