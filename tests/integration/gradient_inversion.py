"""A short slice of benchmarks/gradient_inversion.py: published attacks read a site's row from its update, and nothing
from its masked vector."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
QUESTIONS = PROJECT.parent / "shared" / "data" / "trec" / "TREC.train"
SHORT = ("--trials", "1", "--iterations", "150", "--starts", "1", "--sites", "1", "--json")

Figures = dict[str, float]


@pytest.fixture(scope="module")
def found() -> dict[str, Figures]:
    """By attack."""
    attacks = ["images", "dense", *(["text"] if QUESTIONS.is_file() else [])]
    command = [sys.executable, str(PROJECT / "benchmarks" / "gradient_inversion.py"), *SHORT, "--attack", *attacks]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    figures: dict[str, Figures] = json.loads(done.stdout.splitlines()[-1])
    return figures


@pytest.mark.parametrize(("attack", "readable"), [("images", 25.0), ("dense", 40.0)])
def test_an_image_is_read_from_a_clear_update_and_not_from_a_masked_one(
    found: dict[str, Figures], attack: str, readable: float
) -> None:
    figures = found[attack]
    assert figures["clear"] >= readable, "the attack works where masking is off"
    assert figures["masked"] < figures["prior"], "no better than the mean of public images"
    assert abs(figures["masked"] - figures["nothing"]) < 5, "as on random numbers"
    assert figures["cosine_clear"] > 0.99
    assert figures["cosine_masked"] < 0.05


@pytest.mark.skipif(not QUESTIONS.is_file(), reason="the TREC questions are not beside this repository")
def test_a_sentence_is_read_from_a_clear_update_and_not_from_a_masked_one(found: dict[str, Figures]) -> None:
    figures = found["text"]
    assert figures["rows_clear"] == figures["span_clear"] == 1, "every token, and its place"
    assert figures["rows_masked"] < figures["rows_prior"], "no better than the most frequent words"
    assert figures["span_masked"] == figures["span_nothing"] == 0
