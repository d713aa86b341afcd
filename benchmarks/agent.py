"""What the lean agent weighs: its distributions, its memory, and how fast it is connected.

`pip install .[measure]` into a fresh environment in a temporary folder, then a deployment whose device agent runs from
that environment alone, while its coordinator and its three sites run from this one. The device is started five times;
`seconds_to_hello` is the median from the start of its process to the acknowledged hello. `resident_mb` is its resident
memory 30 s after a hello. A study of one trial then has its PROBE measured by that same process, which shows that
nothing but [measure] is needed for it.

    python benchmarks/agent.py [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from autoglm.processes import Daemon, wait_until
from autoglm.run_folder import RunFolder
from autoglm.simulated_agents import TomlValue, toml_text
from autoglm.simulated_deployment import AgentFiles, SimulatedDeployment
from autoglm_core.canonical import canonical_json
from autoglm_core.parse_study import WorkloadFacts, parse_study
from autoglm_core.study import Study

PROJECT = Path(__file__).resolve().parents[1]
DEVICE, DEVICE_CLASS = "device-one-core", "one-core"
CONNECTED = "autoglm-agent connected "
STARTS = 5
SETTLED_SECONDS = 30.0
MOST_DISTRIBUTIONS, MOST_RESIDENT_MB, MOST_SECONDS = 12, 80.0, 1.5
COUNT = (
    "from importlib.metadata import distributions as d;"
    "print(*sorted({e.name for e in d()} - {'pip', 'setuptools', 'wheel'}))"
)


class LeanDeployment(SimulatedDeployment):
    """A deployment whose device agent is the program at `lean`."""

    lean: Path

    def _run(self, name: str, command: Sequence[str]) -> Daemon:
        return super()._run(name, [str(self.lean), *command[1:]] if name == DEVICE else command)


def install(folder: Path) -> Path:
    """A fresh environment with `.[measure]`; its folder of programs."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    programs = folder / "bin"
    pip = [str(programs / "python"), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    subprocess.run([*pip, "-c", str(PROJECT / "constraints.txt"), f"{PROJECT}[measure]"], check=True)
    return programs


def distributions(programs: Path) -> list[str]:
    """Names of what is installed there, without the installer itself."""
    done = subprocess.run([str(programs / "python"), "-I", "-c", COUNT], check=True, capture_output=True, text=True)
    return done.stdout.split()


def agents_in(folder: RunFolder) -> list[AgentFiles]:
    """Three sites with a dataset that nobody reads, and the device."""
    agents = []
    for name in ("site-1", "site-2", "site-3", DEVICE):
        home = folder.agent(name)
        home.mkdir(parents=True)
        tables: dict[str, Mapping[str, TomlValue]] = {"": {"name": name, "state": "state"}}
        if name == DEVICE:
            tables["device"] = {"class": DEVICE_CLASS, "cpus": [0]}
        else:
            (home / "nothing").touch()
            tables["data.nothing"] = {"path": "nothing", "workload": "synthetic"}
        tables["policy"] = {"approval": "simulated"}
        (home / "agent.toml").write_text(toml_text(tables))
        agents.append(AgentFiles(name, home / "agent.toml", site=name != DEVICE))
    return agents


def study() -> Study:
    """One trial with a latency, so that there is one PROBE."""
    schema = {"form": "image", "height": 1, "width": 1, "channels": 1, "scale": 1, "classes": ["a", "b"]}
    return parse_study(
        {
            "name": "lean",
            "workload": "synthetic",
            "data": "nothing",
            "model": {"name": "vector", "options": {"parameters": 1000}},
            "schema": schema,
            "search": {"tune": {"learning_rate": [0.1]}, "deploy": {"threads": [1]}},
            "objectives": {"loss": "minimize", "latency_p95_ms": "minimize"},
            "rounds": 1,
            "budget": {"trials": 1},
            "sampler": {"name": "random"},
            "device_classes": [DEVICE_CLASS],
        },
        WorkloadFacts(version=1, metrics=lambda _: ("loss",)),
    )


def time_to_hello(daemon: Daemon) -> float:
    """Start it; seconds until the coordinator has acknowledged its hello."""
    begun = time.perf_counter()
    daemon.start()
    daemon.wait_for_line(CONNECTED, seconds=30)
    return time.perf_counter() - begun


def resident_mb(pid: int) -> float:
    """Resident memory of one process, in units of 10^6 bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kibibytes = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(kibibytes) * 1024 / 1e6


def probe_latency(deployment: SimulatedDeployment) -> float:
    """Run the study; the latency (ms) that the device measured for its one trial."""
    submitted = deployment.client.submit(canonical_json(study().to_json()), idempotency_key="bench")
    *_, last = deployment.client.watch(submitted.id)
    trial = json.loads(deployment.client.result(submitted.id))["trials"][0]
    if trial["state"] != "completed":
        raise SystemExit(f"the study ended {last.state} {last.error}, its trial {trial['state']}")
    return float(trial["measurements"][DEVICE_CLASS]["latency_p95_ms"]["mean"])


def measure(root: Path, programs: Path) -> dict[str, float]:
    """Start the device several times, let it settle, and have it measure."""
    deployment = LeanDeployment(RunFolder(root), agents_in(RunFolder(root)), minimum_cohort=3)
    deployment.lean = programs / "autoglm-agent"
    with deployment:
        device = deployment.daemon(DEVICE)
        seconds = []
        for _ in range(STARTS):
            device.terminate()
            device.wait(seconds=20)
            seconds.append(time_to_hello(device))
        settled = time.monotonic() + SETTLED_SECONDS
        wait_until(lambda: time.monotonic() >= settled, what="30 seconds", seconds=2 * SETTLED_SECONDS)
        resident = resident_mb(device.pid)
        latency = probe_latency(deployment)
        after = resident_mb(device.pid)
    return {
        "seconds_to_hello": round(statistics.median(seconds), 3),
        "seconds_to_hello_slowest": round(max(seconds), 3),
        "resident_mb": round(resident, 1),
        "resident_mb_after_probe": round(after, 1),
        "probe_latency_p95_ms": latency,
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the lean agent weighs.")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        programs = install(Path(folder) / "lean")
        names = distributions(programs)
        figures = measure(Path(folder) / "run", programs)
    print(f"{len(names)} distributions (at most {MOST_DISTRIBUTIONS}): {', '.join(names)}")
    print(f"{figures['resident_mb']:.1f} MB resident 30 s after hello (at most {MOST_RESIDENT_MB:.0f})")
    print(f"{figures['seconds_to_hello']:.2f} s from start to acknowledged hello (at most {MOST_SECONDS})")
    print(f"PROBE measured with [measure] alone: p95 {figures['probe_latency_p95_ms']:.4f} ms")
    if options.json:
        print(json.dumps({"distributions": len(names), **figures}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
