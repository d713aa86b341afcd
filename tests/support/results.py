"""The content of a small result.json."""

from __future__ import annotations

from autoglm_core.canonical import Json

RESULT: Json = {
    "format": 1,
    "study": {"id": "quickstart-7f3a", "hash": "sha256:00", "seed": 7, "sampler": "bayes"},
    "stopped": "trials",
    "study_seconds": 131.2,
    "study_bytes": 45_600_000,
    "trials": [
        {
            "id": 4,
            "state": "completed",
            "configuration": {"tune": {"width": 16}, "deploy": {"quantization": "int8-static", "prune": 0.25}},
            "reason": {
                "how": "model",
                "predicted": {
                    "accuracy": {"mean": 0.95, "deviation": 0.01},
                    "one-core/latency_p95_ms": {"mean": 0.3, "deviation": 0.02},
                    "two-core/latency_p95_ms": {"mean": 0.2, "deviation": 0.02},
                },
                "log_gain": -2.5,
                "feasible": 0.97,
                "seconds": 5.0,
            },
            "ranks": {"one-core": 1, "two-core": 3},
            "stages": [
                {
                    "name": "TUNE",
                    "key": "sha256:" + "ab" * 32,
                    "cached": False,
                    "seconds": 4.1,
                    "rounds": 6,
                    "dropped": 0,
                }
            ],
            "measurements": {
                "one-core": {
                    "accuracy": {
                        "mean": 0.964,
                        "standard_error": 0.009,
                        "count": 359,
                        "split": "validation",
                        "provenance": "secure-sum",
                    },
                    "latency_p95_ms": {"mean": 0.21, "standard_error": 0.01, "count": 6400, "provenance": "measured"},
                }
            },
        },
        {
            "id": 5,
            "state": "failed",
            "configuration": {"tune": {"width": 32}, "deploy": {}},
            "stages": [],
            "measurements": {},
            "error": {"code": "numerics-mismatch", "max_abs": 0.4},
        },
    ],
    "objectives": [
        {"name": "accuracy", "direction": "maximize"},
        {"name": "latency_p95_ms", "direction": "minimize"},
    ],
    "hypervolume": {
        "one-core": {"reference": {"accuracy": 0.7, "latency_p95_ms": 2.0}, "steps": [{"trial": 4, "share": 1.0}]}
    },
    "fronts": {
        "one-core": [{"trial": 4, "accuracy": 0.964, "test_accuracy": 0.958, "latency_p95_ms": 0.21}],
        "two-core": [],
    },
}
