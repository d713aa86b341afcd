"""Whatever the other side sends, a parser gives a value that encodes to those bytes, or one of its typed errors."""

# ruff: noqa: S311 - seeded on purpose

from __future__ import annotations

import gc
import time
import tracemalloc
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.json_damage import damage
from support.parser_contract import Parser, bombs, damaged
from support.parsers import BY_NAME, PARSERS

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"
JSON = [parser for parser in PARSERS if parser.json]
every_parser = pytest.mark.parametrize("parser", PARSERS, ids=BY_NAME)


@every_parser
def test_honest_bytes_are_read_and_encode_back(parser: Parser) -> None:
    assert parser.honest
    outcomes = [parser.check(sample) for sample in parser.honest]
    assert any(outcomes), "no sample is honest"


@every_parser
def test_the_corpus_of_the_fuzzer_keeps_the_contract(parser: Parser) -> None:
    inputs = sorted((CORPUS / parser.name).iterdir())
    assert any(path.name.startswith("honest-") for path in inputs)
    for path in inputs:
        parser.check(path.read_bytes())


@every_parser
@settings(max_examples=80, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_bytes_raise_one_typed_error_or_read_as_themselves(parser: Parser, data: st.DataObject) -> None:
    parser.check(data.draw(damaged(parser)))


@pytest.mark.parametrize("parser", JSON, ids=[parser.name for parser in JSON])
@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_strange_values_in_canonical_json_raise_one_typed_error_or_read_as_themselves(
    parser: Parser, data: st.DataObject
) -> None:
    sample = data.draw(st.sampled_from(parser.honest))
    parser.check(damage(sample, Random(data.draw(st.integers(0, 2**32)))))


@every_parser
def test_what_an_input_claims_costs_no_more_memory_than_its_bytes_allow(parser: Parser) -> None:
    factor, beside = parser.memory
    inputs = [*bombs(parser), *parser.honest]
    parser.check(parser.honest[0])  # what is made once, such as a compiled pattern, is no cost of an input
    gc.collect()
    tracemalloc.start()
    try:
        for data in inputs:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            parser.check(data)
            peak = tracemalloc.get_traced_memory()[1] - before
            allowed = factor * len(data) + beside
            assert peak <= allowed, f"{peak} bytes for {len(data)}, of which {allowed} are allowed: {data[:80]!r}"
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("parser", [p for p in PARSERS if p.grow], ids=[p.name for p in PARSERS if p.grow])
def test_an_honest_input_four_times_as_long_takes_no_sixteen_times_as_long(parser: Parser) -> None:
    assert parser.grow is not None
    short, long = parser.grow(2 * parser.bomb), parser.grow(8 * parser.bomb)
    assert parser.check(short)
    assert parser.check(long)
    assert seconds(parser, long) < 10 * seconds(parser, short)


def seconds(parser: Parser, data: bytes) -> float:
    """CPU time of one reading, the least of five."""
    found = []
    for _ in range(5):
        begun = time.process_time()
        parser.parse(data)
        found.append(time.process_time() - begun)
    return max(min(found), 1e-4)
