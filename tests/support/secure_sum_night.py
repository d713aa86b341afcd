"""A night of sessions and cases with new seeds: `make test-night HOURS=8`; `make test-night SEED=n` runs one again.

Every core works on seeds of its own until the time is over. A failure is printed at once with its seed, which is all
that is needed to see it again.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count
from multiprocessing import get_context

from support import secure_sum_cases, secure_sum_runs, secure_sum_schedule

Play = Callable[[int], object]
CASES = 100
"""Cases of ring and masks for each seed."""


def cases(seed: int) -> None:
    """Some cases of ring and masks."""
    for number in range(CASES):
        secure_sum_cases.play(seed, number)


PLAYS: tuple[Play, ...] = (secure_sum_schedule.play, secure_sum_runs.play, cases)


def examine(seed: int, plays: Sequence[Play] = PLAYS) -> list[str]:
    """One line for each of `plays` that fails with `seed`."""
    failures = []
    for play in plays:
        try:
            play(seed)
        except AssertionError as error:
            failures.append(f"SEED={seed}: {error}")
    return failures


def examined(seeds: Iterator[int], until: float) -> Iterator[list[str]]:
    """`examine` of one seed after another on every core, until `time.monotonic()` passes `until`."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        running: set[Future[list[str]]] = {pool.submit(examine, next(seeds)) for _ in range(cores)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
            if time.monotonic() < until:
                running |= {pool.submit(examine, next(seeds)) for _ in done}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--seed", type=int)
    chosen = parser.parse_args(arguments)
    until = time.monotonic() + chosen.hours * 3600
    reports = examined(count(secrets.randbits(48)), until) if chosen.seed is None else iter([examine(chosen.seed)])
    seeds = failures = 0
    for report in reports:
        seeds += 1
        failures += len(report)
        for line in report:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{seeds} seeds, {failures} failures\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
