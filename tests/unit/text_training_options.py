"""What a configuration may say about the training of a language model."""

from __future__ import annotations

import subprocess
import sys

import pytest

from autoglm_core.configuration import Value
from autoglm_core.study_error import StudyError
from autoglm_workloads.text.training.options import OPTION_NAMES, TextOptions

GOOD: dict[str, tuple[Value, ...]] = {
    "learning_rate": (0.0, 1, 2e-5),
    "batch_size": (1, 512),
    "accumulation": (1, 64),
    "local_epochs": (1, 10),
    "optimizer": ("adamw", "sgd", "lion", "adafactor"),
    "momentum": (0.0, 0.99),
    "weight_decay": (0.0, 0.1),
    "schedule": ("constant", "linear", "cosine", "step", "plateau"),
    "warmup": (0.0, 0.1),
    "layer_decay": (0.5, 1),
    "head_rate": (0.0, 10.0),
    "checkpointing": (True, False),
    "clip_norm": (0.0, 1.0),
    "precision": ("float32", "bfloat16", "float16"),
    "proximal_mu": (0.0, 0.1),
    "dropout": (0.0, 0.5),
    "criterion": ("cross-entropy", "focal"),
    "focal_gamma": (0.0, 5.0),
    "label_smoothing": (0.0, 0.2),
    "class_weights": ("none", "balanced"),
    "controller": ("off", "noise-scale"),
    "curvature": ("off", "hutchinson", "differences"),
}
BAD: dict[str, tuple[Value, ...]] = {
    "learning_rate": (-1.0, "0.1", True, float("nan"), float("inf")),
    "batch_size": (0, 1.5, True),
    "warmup": (1.0, -0.1),
    "layer_decay": (0.0, 1.1),
    "checkpointing": (1, "true"),
    "optimizer": ("adam", 1),
    "precision": ("bf16",),
    "dropout": (1.0,),
}


def test_every_option_is_tried_here() -> None:
    assert set(GOOD) == set(OPTION_NAMES) == set(TextOptions.__dataclass_fields__)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_a_good_value_is_taken_over(name: str, value: Value) -> None:
    assert getattr(TextOptions().updated({name: value, "lora_rank": 4}), name) == value


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_value_is_refused_with_its_place(name: str, value: Value) -> None:
    with pytest.raises(StudyError, match="must be") as caught:
        TextOptions().updated({name: value})
    assert name in caught.value.message


def test_options_cost_no_torch() -> None:
    code = (
        "import sys; import autoglm_workloads.text.training.options, autoglm_workloads.text.training.class_weights, "
        "autoglm_workloads.text.training.adaptive.tally; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
