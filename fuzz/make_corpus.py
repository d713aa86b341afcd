"""Write the honest encodings of every parser into `fuzz/corpus/`, where libFuzzer begins.

Inputs that were found by fuzzing lie beside them as `found-*` and are left alone; `tests/property/parsers.py` reads
all of it. Run it after a change of a format.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "tests"))
MOST_SAMPLES = 4
LONGEST = 8192
"""Bytes of a sample: libFuzzer gets slow beyond."""


def main() -> None:
    """Replace every sample by a fresh one."""
    from support.parsers import PARSERS

    for parser in PARSERS:
        folder = FOLDER / "corpus" / parser.name
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("honest-*"):
            old.unlink()
        samples = [sample for sample in dict.fromkeys(parser.honest) if len(sample) <= LONGEST]
        for sample in samples[:MOST_SAMPLES]:
            (folder / f"honest-{sha256(sample).hexdigest()[:12]}").write_bytes(sample)


if __name__ == "__main__":
    main()
