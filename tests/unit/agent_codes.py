"""The closed list of codes: whatever goes wrong at a site, one of these words is all that is said."""

from __future__ import annotations

import pytest

from autoglm_core.codes import HINTS, RefusalCode, RefusedWith, code_of, refusal_of
from autoglm_core.errors import Kind, RemoteError
from autoglm_core.privacy.errors import BadSignature, UnmaskIncomplete
from autoglm_workloads.child.errors import ChildOutOfMemory, PackageMissing
from autoglm_workloads.errors import (
    DataEmpty,
    DataMismatch,
    DivergedTraining,
    NoCheckpointing,
    ReaderMissing,
    TrainingOutOfMemory,
    UnsupportedPrecision,
)
from autoglm_workloads.models.errors import ModelDamaged, ModelMissing
from autoglm_workloads.models.memory import TooLittleMemory
from autoglm_workloads.text.errors import OtherModules, TextTooLong


def test_every_code_says_what_to_change() -> None:
    assert set(HINTS) == set(RefusalCode)


def test_codes_are_words_without_data() -> None:
    assert all(str(code).replace("-", "").isalpha() for code in RefusalCode)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RefusedWith(RefusalCode.BUSY), RefusalCode.BUSY),
        (DataMismatch(reason="columns", column=3), RefusalCode.SCHEMA_MISMATCH),
        (UnmaskIncomplete(), RefusalCode.ALREADY_RELEASED),
        (BadSignature(name="advert", site="b"), RefusalCode.PROTOCOL_VIOLATION),
        (RemoteError("patient 7", remote_code="data-empty", remote_kind=Kind.INVALID), RefusalCode.DATA_EMPTY),
        (RemoteError("patient 7", remote_code="patient 7", remote_kind=Kind.INVALID), RefusalCode.INTERNAL),
        (TimeoutError(), RefusalCode.TIMED_OUT),
        (MemoryError(), RefusalCode.MEMORY),
        (OSError("/srv/heart.csv"), RefusalCode.INTERNAL),
        (DataEmpty(), RefusalCode.DATA_EMPTY),
        (ReaderMissing(library="pyarrow", extra="train"), RefusalCode.PACKAGE_MISSING),
        (PackageMissing(package="torch"), RefusalCode.PACKAGE_MISSING),
        (ModelMissing(content="ab" * 32), RefusalCode.MODEL_MISSING),
        (ModelDamaged(content="ab" * 32, file="config.json"), RefusalCode.MODEL_MISSING),
        (OtherModules(tensor="query.weight"), RefusalCode.WORKLOAD_VERSION),
        (TooLittleMemory(needed_gb=2.0, allowed_gb=1.0), RefusalCode.MEMORY),
        (TrainingOutOfMemory(device="cpu", batch_size=8, checkpointing=False), RefusalCode.MEMORY),
        (ChildOutOfMemory(task="evaluate"), RefusalCode.MEMORY),
        (DivergedTraining(epoch=1), RefusalCode.DIVERGED),
        (UnsupportedPrecision(precision="float16", device="cpu"), RefusalCode.UNSUPPORTED_PRECISION),
        (NoCheckpointing(), RefusalCode.NO_CHECKPOINTING),
        (TextTooLong(tokens=99, longest=64), RefusalCode.TEXT_TOO_LONG),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_become_codes(error: Exception, expected: RefusalCode) -> None:
    assert refusal_of(error) is expected


def test_a_code_stands_for_itself() -> None:
    assert all(code_of(str(code)) is code for code in RefusalCode)
