"""A coordinator's memory while all of its sites upload at the same time, over its real servicer and port."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "sum_memory.py"
SITES = 10
PARAMETERS = 9_000_000
"""36 MB a vector: libraries and connections weigh little beside it, and one fits into the room for uploads."""
MOST = 3.0
"""Vectors: the running sum, one on its way in, and what allocators keep. Without a bound it is eleven."""


@pytest.mark.timeout(180)
def test_a_sum_takes_the_memory_of_few_vectors_however_many_sites_upload_at_once() -> None:
    command = [sys.executable, str(BENCHMARK), "--sites", str(SITES), "--parameters", str(PARAMETERS), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["peak_vectors"] <= MOST, found
    assert found["peak_vectors_first"] <= MOST, found
