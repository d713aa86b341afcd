"""What a round costs beside training: real daemons, mutual TLS, masking and the durable store, over loopback.

Four agents hold a model of 1,000,000 float32 parameters and return a pseudo-random update at once (workload
`synthetic`). `seconds_per_round` is the wall time from the request for a round to its commit, by the coordinator's own
log. For `seconds_per_round_dropped` one site is started by `dropping_agent.py`: it takes part in everything and drops
out when its vector is masked, so that the survivors' shares must remove its pairwise masks. The coordinator learns of
that at once: no deadline is in the figure. `cpu_seconds_per_round` is the processor time of all daemons and their
children together, which other load on the machine does not move.

    python benchmarks/round_overhead.py [--parameters 1000000] [--rounds 20] [--json]
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from autoglm.errors import NotReady
from autoglm.processes import Daemon, wait_until
from autoglm.run_folder import RunFolder
from autoglm.simulated_agents import toml_text
from autoglm.simulated_deployment import AgentFiles, SimulatedDeployment
from autoglm_core.canonical import canonical_json
from autoglm_core.parse_study import WorkloadFacts, parse_study
from autoglm_core.study import Study

WARM_UP = 3
SITES = 4
DROPPING = "site-4"
ROUND = re.compile(r" round tune=\S+ round=(\d+) seconds=(\S+) session=(\S+) aggregate-and-commit=(\S+) dropped=(\d+)")
SESSION = re.compile(r" session purpose=train round=(\d+) .* seconds: (.+)")
TARGET, TARGET_DROPPED = 0.15, 0.3
PATIENCE = 5.0
"""Seconds for a round, at most; twenty times that for the warm-up."""


@dataclass(frozen=True)
class Timing:
    """Medians over the rounds after the warm-up, in seconds. `parts`: by phase of the session, then what follows it.

    `cpu_seconds`: processor time by kind of process, mean over these rounds.
    """

    seconds: float
    cpu_seconds: dict[str, float]
    rounds: int
    dropped: int
    parts: dict[str, float]


class Deployment(SimulatedDeployment):
    """A deployment whose last site may drop out of every round."""

    drops = False

    def cpu_seconds(self) -> dict[str, float]:
        """Processor time used so far, by kind of process."""
        coordinator, *agents = (psutil.Process(daemon.pid) for daemon in self._daemons.values())
        children = [child for daemon in (coordinator, *agents) for child in daemon.children(recursive=True)]
        kinds = {"coordinator": [coordinator], "agents": agents, "children": children}
        return {kind: sum(map(_cpu_seconds, processes)) for kind, processes in kinds.items()}

    def _run(self, name: str, command: Sequence[str]) -> Daemon:
        if self.drops and name == DROPPING:
            command = [sys.executable, str(Path(__file__).with_name("dropping_agent.py")), *command[1:]]
        return super()._run(name, command)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def study_of(parameters: int, rounds: int) -> Study:
    """One TUNE of `rounds` rounds over `parameters` parameters."""
    return parse_study(
        {
            "name": "round-overhead",
            "workload": "synthetic",
            "data": "nothing",
            "model": {"name": "vector", "options": {"parameters": parameters}},
            "schema": {"form": "image", "height": 1, "width": 1, "channels": 1, "scale": 1, "classes": ["a", "b"]},
            "search": {"tune": {"learning_rate": [0.1]}, "deploy": {"threads": [1]}},
            "objectives": {"loss": "minimize"},
            "rounds": rounds,
            "budget": {"trials": 1},
            "sampler": {"name": "random"},
        },
        WorkloadFacts(version=1, metrics=lambda _: ("loss",)),
    )


def agents_in(folder: RunFolder) -> list[AgentFiles]:
    """Four sites with a dataset that nobody reads."""
    agents = []
    for number in range(1, SITES + 1):
        home = folder.agent(f"site-{number}")
        home.mkdir(parents=True)
        (home / "nothing").touch()
        config = home / "agent.toml"
        config.write_text(
            toml_text(
                {
                    "": {"name": home.name, "state": str(home / "state")},
                    "data.nothing": {"path": str(home / "nothing"), "workload": "synthetic"},
                    "policy": {"approval": "simulated"},
                }
            )
        )
        agents.append(AgentFiles(home.name, config, site=True))
    return agents


def measure(root: Path, study: Study, *, drops: bool) -> Timing:
    """Run the study in a deployment of its own and read the coordinator's log."""
    folder = RunFolder(root)
    deployment = Deployment(folder, agents_in(folder), minimum_cohort=3)
    deployment.drops = drops
    with deployment:
        log = folder.log("coordinator")
        submitted = deployment.client.submit(canonical_json(study.to_json()), idempotency_key="bench")
        try:
            used = cpu_seconds_per_round(deployment, log, rounds=study.rounds)
        except NotReady as error:
            raise SystemExit(f"{error}\n{log.read_text()[-3000:]}") from error
        *_, last = deployment.client.watch(submitted.id)
        if last.state != "completed":
            raise SystemExit(f"the study ended {last.state}: {last.error}\n{log.read_text()[-3000:]}")
    return read_log(log.read_text(), used)


def cpu_seconds_per_round(deployment: Deployment, log: Path, *, rounds: int) -> dict[str, float]:
    """Wait for the last round; processor time of a round after the warm-up, by kind of process."""

    def reached(number: int) -> bool:
        return any(int(match[0]) >= number for match in ROUND.findall(log.read_text()))

    wait_until(lambda: reached(WARM_UP), what="the warm-up", seconds=20 * PATIENCE)
    begun = deployment.cpu_seconds()
    wait_until(lambda: reached(rounds), what="the last round", seconds=rounds * PATIENCE)
    ended = deployment.cpu_seconds()
    return {kind: (ended[kind] - begun[kind]) / (rounds - WARM_UP) for kind in ended}


def read_log(log: str, cpu_seconds: dict[str, float]) -> Timing:
    """Medians of what the coordinator logged for each round."""
    parts: dict[str, list[float]] = defaultdict(list)
    for number, phases in SESSION.findall(log):
        if int(number) > WARM_UP:
            for phase in phases.split():
                name, seconds = phase.split("=")
                parts[name].append(float(seconds))
    rounds = [match for match in ROUND.findall(log) if int(match[0]) > WARM_UP]
    for _, _, _, commit, _ in rounds:
        parts["aggregate and commit"].append(float(commit))
    return Timing(
        seconds=statistics.median(float(seconds) for _, seconds, _, _, _ in rounds),
        cpu_seconds=cpu_seconds,
        rounds=len(rounds),
        dropped=sum(int(dropped) for *_, dropped in rounds),
        parts={name: statistics.median(values) for name, values in parts.items()},
    )


def _listed(seconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {value * 1000:.1f} ms" for name, value in seconds.items())


def main() -> int:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parameters", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    study = study_of(options.parameters, WARM_UP + options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        whole = measure(Path(folder) / "whole", study, drops=False)
        dropped = measure(Path(folder) / "dropped", study, drops=True)
    print(f"{options.parameters} parameters, {SITES} sites, median of {whole.rounds} rounds after {WARM_UP}")
    for title, timing, target in (("all sites", whole, TARGET), ("one drops", dropped, TARGET_DROPPED)):
        print(f"\n{title}: {timing.seconds:.3f} s a round (target {target}), {timing.dropped} dropped in all")
        for name, seconds in timing.parts.items():
            print(f"    {name:<22}{seconds * 1000:8.1f} ms")
        print(f"    processor time {sum(timing.cpu_seconds.values()):.3f} s a round:", _listed(timing.cpu_seconds))
    if options.json:
        figures = {
            "parameters": options.parameters,
            "seconds_per_round": whole.seconds,
            "seconds_per_round_dropped": dropped.seconds,
            "cpu_seconds_per_round": sum(whole.cpu_seconds.values()),
            "cpu_seconds_per_round_dropped": sum(dropped.cpu_seconds.values()),
            "rounds": whole.rounds,
            "parts": whole.parts,
            "parts_dropped": dropped.parts,
            "drops": dropped.dropped,
        }
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
