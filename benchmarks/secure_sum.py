"""What the secure sum costs, beside flwr's SecAgg+ in the same run.

    make bench
    python benchmarks/secure_sum.py [--repeat 5] [--without-flwr] [--without-memory] [--json]

One core (the process is pinned to it), medians; the spread printed beside them is from the fastest to the slowest.

- `seed_bits`: bits that differ anywhere among the seeds of the masks of 256 pairs of parties, an upper bound on the
  entropy that a guess has to beat. Ours are the streams' keys; flwr's are what its code gives to its generator.
- `mask_ms_n10`, `mask_ms_n100`: all that a client does from a float update of 1e6 parameters to what it uploads:
  quantize, agree on keys, mask; ours also hashes and signs, flwr also serializes.
- `prg_fraction_of_aes`: a mask generated and added, against AES-256-CTR into the same buffer without the addition.
- `bytes_per_parameter_32`, `_16`: the upload's protobuf messages with gRPC's prefix of 5 bytes each; flwr's: its reply.
- `shamir_s_n100`: one site's seed and mask key dealt to 100, and at the coordinator 100 secrets rebuilt from the shares
  of the threshold. `keys_s_n100` is what recovery takes in all: that, its checks, and 2,211 key agreements.
- `unmask_s_n100`: the coordinator's session from the last share to the clear sum of 67 sites of 100, 1e6 parameters,
  recovery of keys included, on two threads; `unmask_s_n100_one_thread` on one.
- `sum_fraction_of_add_bandwidth`: a vector of 1e7 parameters added to the sum, against numpy's addition alone.
- `peak_vectors_n100`: see `sum_memory.py`; 100 uploads of 1e7 parameters at the same time.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import sum_figures as figures
import sum_memory

SITES = 100
FLWR = "flwr"


@dataclass(frozen=True)
class Figure:
    """A median, the spread of its samples, and what it is to be: at most or at least `target`, if there is one."""

    key: str
    samples: Sequence[float]
    at_most: float | None = None
    at_least: float | None = None

    @property
    def value(self) -> float:
        """The median."""
        return median(self.samples)

    @property
    def verdict(self) -> str:
        """The target, and whether it is met."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}: {'met' if self.value <= self.at_most else 'MISSED'}"
        if self.at_least is not None:
            return f"at least {self.at_least:g}: {'met' if self.value >= self.at_least else 'MISSED'}"
        return ""

    def __str__(self) -> str:
        spread = f"{min(self.samples):.4g} .. {max(self.samples):.4g}" if len(self.samples) > 1 else ""
        return f"{self.key:<32}{self.value:>10.4g}   {spread:<22} {self.verdict}"


def measure(repeat: int, *, flwr: bool, memory: bool) -> Iterator[Figure]:
    """Every figure, as it comes."""
    yield Figure("seed_bits", [figures.varying_bits(figures.pair_seeds())], at_least=256)
    with figures.cores(1):
        yield from _masks(repeat, flwr=flwr)
        yield Figure("prg_fraction_of_aes", figures.generator_fractions(8 * repeat), at_least=0.6)
        yield Figure("sum_fraction_of_add_bandwidth", figures.add_fractions(4 * repeat), at_least=0.5)
    for bits, most in ((32, 4.05), (16, 2.1)):
        yield Figure(f"bytes_per_parameter_{bits}", [figures.wire_bytes(bits) / figures.PARAMETERS], at_most=most)
    with figures.cores(1):
        third = figures.DroppedThird()
        yield Figure("mask_ms_n100", _milliseconds(third.mask_seconds), at_most=250)
        threshold = third.exchange.spec.threshold
        yield Figure("shamir_s_n100", figures.shamir_seconds(SITES, threshold, repeat), at_most=0.5)
        yield Figure("keys_s_n100", third.key_seconds(repeat))
        yield Figure("unmask_s_n100_one_thread", third.unmask_seconds(1, repeat))
    with figures.cores(2):
        yield Figure("unmask_s_n100", third.unmask_seconds(2, repeat), at_most=3)
    if memory:
        found = asyncio.run(sum_memory.measure(SITES, figures.LONG, clear=True))
        yield Figure("peak_vectors_n100", [found["peak_vectors"]], at_most=3)
        yield Figure("peak_vectors_n100_first", [found["peak_vectors_first"]])


def _masks(repeat: int, *, flwr: bool) -> Iterator[Figure]:
    masker, update = None, figures.an_update()
    if flwr:
        import flwr_secagg  # only in the bench extra

        masker = flwr_secagg.Client(10).masker(update, rows=figures.ROWS)
        yield Figure("flwr_seed_bits", [figures.varying_bits(flwr_secagg.pair_seeds(figures.PAIRS))])
        yield Figure("flwr_bytes_per_parameter", [flwr_secagg.wire_bytes(masker()) / update.size])
    ours, theirs = figures.mask_beside(masker, rounds=max(2, repeat // 2))
    mask = Figure("mask_ms_n10", _milliseconds(ours), at_most=40)
    yield mask
    if theirs:
        yield Figure("flwr_mask_ms_n10", _milliseconds(theirs), at_least=round(4 * mask.value, 1))


def _milliseconds(samples: Sequence[float]) -> list[float]:
    return [1000 * sample for sample in samples]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5, help="timings of the longest steps")
    parser.add_argument("--without-flwr", action="store_true")
    parser.add_argument("--without-memory", action="store_true", help="leaves out 8 GB over loopback")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    flwr = not options.without_flwr
    if flwr and importlib.util.find_spec(FLWR) is None:
        parser.error("flwr is not installed: run `make bench`, or leave it out with --without-flwr")
    found = []
    for figure in measure(options.repeat, flwr=flwr, memory=not options.without_memory):
        print(figure, flush=True)
        found.append(figure)
    if options.json:
        print(json.dumps({figure.key: round(figure.value, 4) for figure in found}))


if __name__ == "__main__":
    main()
