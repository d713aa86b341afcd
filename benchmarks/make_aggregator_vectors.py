"""Writes tests/data/aggregators.json: what flwr 1.41's own strategy classes make of a fixed sequence of rounds.

Run it where flwr is installed (`pip install 'flwr==1.41.*'`; it is no dependency of the project, the vectors are
committed):

    python benchmarks/make_aggregator_vectors.py tests/data/aggregators.json
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server.strategy import FedAdagrad, FedAdam, FedAvg, FedAvgM, FedYogi

SIZE, ROUNDS, SITES = 24, 6, 3
OPTIMIZER = {"eta": "server_learning_rate", "beta_1": "beta1", "beta_2": "beta2", "tau": "tau"}
MOMENTUM = {"server_learning_rate": "server_learning_rate", "server_momentum": "server_momentum"}
CASES = [
    ("fedavg", FedAvg, {}, {}),
    ("fedavgm", FedAvgM, {"server_learning_rate": 0.7, "server_momentum": 0.9}, MOMENTUM),
    ("fedavgm", FedAvgM, {"server_learning_rate": 0.5, "server_momentum": 0.0}, MOMENTUM),
    ("fedadam", FedAdam, {"eta": 0.1, "beta_1": 0.9, "beta_2": 0.99, "tau": 1e-3}, OPTIMIZER),
    ("fedadam", FedAdam, {"eta": 0.02, "beta_1": 0.5, "beta_2": 0.9, "tau": 1e-6}, OPTIMIZER),
    ("fedyogi", FedYogi, {"eta": 0.01, "beta_1": 0.9, "beta_2": 0.99, "tau": 1e-3}, OPTIMIZER),
    ("fedyogi", FedYogi, {"eta": 0.1, "beta_1": 0.0, "beta_2": 0.5, "tau": 1e-2}, OPTIMIZER),
    ("fedadagrad", FedAdagrad, {"eta": 0.1, "tau": 1e-3}, OPTIMIZER),
]


def rounds_of(initial: np.ndarray, strategy: FedAvg, rng: np.random.Generator) -> list[dict[str, list[float]]]:
    """`ROUNDS` rounds, each with the mean delta that our aggregators receive and the model that flwr's class made."""
    current, records = initial, []
    for number in range(1, ROUNDS + 1):
        rows = rng.integers(20, 400, SITES)
        scale = 10.0 ** rng.integers(-3, 1)
        locals_ = [(current + scale * rng.standard_normal(SIZE)).astype(np.float32) for _ in range(SITES)]
        results = [
            (None, FitRes(Status(Code.OK, ""), ndarrays_to_parameters([weights]), int(count), {}))
            for weights, count in zip(locals_, rows, strict=True)
        ]
        parameters, _ = strategy.aggregate_fit(number, results, [])
        updates = np.stack([weights.astype(np.float64) - current for weights in locals_])
        delta = np.average(updates, axis=0, weights=rows)
        # Sites receive float32, so the next round starts from the rounded model.
        current = parameters_to_ndarrays(parameters)[0].astype(np.float32)
        records.append({"delta": delta.astype(np.float32).tolist(), "parameters": current.tolist()})
    return records


def main(path: Path) -> None:
    """Write all cases to `path`."""
    cases = []
    for seed, (name, strategy, options, spelling) in enumerate(CASES):
        rng = np.random.default_rng(seed)
        initial = rng.standard_normal(SIZE).astype(np.float32)
        extra = {"inplace": False} if strategy is FedAvg else {}
        built = strategy(initial_parameters=ndarrays_to_parameters([initial]), **options, **extra)
        tune = {"aggregator": name, **{spelling[option]: value for option, value in options.items()}}
        cases.append({"tune": tune, "initial": initial.tolist(), "rounds": rounds_of(initial, built, rng)})
    path.write_text(json.dumps({"flwr": version("flwr"), "cases": cases}, indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
