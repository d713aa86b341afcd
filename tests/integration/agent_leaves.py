"""What leaves a site that has real rows: with masks nothing of them, and the test would see it if it did.

The canaries are the site's own sums of its columns: the very numbers that a secure sum hides. They are looked for in
all that the coordinator ever received, in ring image, decimal, hexadecimal and base64. The control is the same
deployment with the secure sum off: there each of them must be found.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoglm_agent.config import Approval, PolicyConfig
from autoglm_core.measurement import Split
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.schema import MissingRows
from autoglm_core.study import Protection, Study
from autoglm_core.task import Manifest
from autoglm_workloads.registry import load_workload
from support.agent_deployment import Deployment, deployment, run
from support.agent_sites import SITES, make_spec, offer_of
from support.workload_cases import COLUMNS, Case, table

HEADER = ",".join(column.name for column in COLUMNS)
CASE = Case("tabular-classification", "logistic-regression", table(MissingRows.DROP), {}, ())


def rows_of(site: int) -> bytes:
    """60 rows with values of nine digits, so that no sum of them turns up by chance."""
    random = np.random.default_rng(site)
    lines = [HEADER]
    for number in range(60):
        age, dose = 1e6 + random.random() * 1e6, 2e6 + random.random() * 1e6
        lines.append(f"{age:.4f},{'abc'[number % 3]},{dose:.4f},x,{number % 2}")
    return "\n".join(lines).encode()


ROWS = [rows_of(number) for number in range(len(SITES))]


def study_of(protection: Protection) -> Study:
    return replace(CASE.study, protection=protection)


def clear_sums(root: Path, study: Study) -> list[list[int]]:
    """What each site contributes, computed beside the deployment: its non-trivial counters."""
    workload = load_workload(study.workload)
    layout = workload.model_side.constants_layout(study)
    found = []
    for name in SITES:
        data = workload.site_side.load(root / name / "rows", study)
        found.append([int(value) for value in layout.encode(workload.site_side.constants(data, study))])
    return found


def spellings(value: int) -> list[bytes]:
    image = value.to_bytes(8, "little", signed=True)
    return [image, str(value).encode(), image.hex().encode(), base64.b64encode(image)[:10]]


def heard(coordinator_heard: list[bytes], value: int) -> bool:
    return any(spelling in message for message in coordinator_heard for spelling in spellings(value))


async def constants(here: Deployment, *, sequence: int = 1) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    manifest = Manifest((), Split.TRAIN, None, "00" * 32)
    spec = make_spec(manifest, here.roster, here.study, purpose=Purpose.CONSTANTS)
    result = await here.coordinator.sum(offer_of(spec, manifest, sequence=sequence), here.roster)
    return result.tail_sum


@pytest.mark.parametrize("masked", [True, False], ids=["masked", "control"])
def test_a_sites_own_sums_leave_it_only_where_masks_are_off(tmp_path: Path, masked: bool) -> None:
    study = study_of(Protection() if masked else Protection(secure_sum=False))
    policy = PolicyConfig(approval=Approval.SIMULATED, release_model=not masked)
    collected: list[bytes] = []

    async def story() -> None:
        async with deployment(tmp_path, study=study, rows=ROWS, policy=policy) as here:
            await here.approved()
            total = await constants(here)
            collected.extend(here.coordinator.heard)
            sums = np.array(clear_sums(tmp_path, study))
            assert (total[1:] == sums.sum(axis=0)).all()

    run(story)
    canaries = [value for site in clear_sums(tmp_path, study) for value in site if abs(value) > 2**32]
    assert len(canaries) >= 2 * len(SITES)
    assert [heard(collected, value) for value in canaries] == [not masked] * len(canaries)


def test_two_masked_vectors_of_one_input_are_unrelated_and_uniform(tmp_path: Path) -> None:
    uploads: list[bytes] = []

    async def story() -> None:
        async with deployment(tmp_path, study=study_of(Protection()), rows=ROWS) as here:
            await here.approved()
            for sequence in range(1, 13):
                await constants(here, sequence=sequence)
            uploads.extend(here.coordinator.uploads)

    run(story)
    assert len(set(uploads)) == 12 * len(SITES)
    counts = np.bincount(np.frombuffer(b"".join(uploads), np.uint8), minlength=256)
    expected = counts.sum() / 256
    statistic = float(((counts - expected) ** 2 / expected).sum())
    # Chi-squared with 255 degrees of freedom: beyond 370 once in 300,000 runs.
    assert statistic < 370


@pytest.mark.parametrize(
    ("rows", "code"),
    [(None, "data-missing"), (HEADER.encode(), "data-empty"), (b"age,other\n1,2\n", "schema-mismatch")],
    ids=["missing", "empty", "another schema"],
)
def test_unusable_data_is_a_no_with_a_code_and_nothing_else(
    tmp_path: Path, rows: bytes | None, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        everyone = [rows, *ROWS[1:]]
        async with deployment(tmp_path, study=study_of(Protection()), rows=everyone) as here:
            here.offer_study(here.sites[0])
            decision = await here.coordinator.said(SITES[0], "decision")
            assert (decision.approved, decision.code) == (False, code)
            assert "; run `autoglm-agent data check` here" in caplog.text
            assert "dose" not in caplog.text, "no log names a column"
            assert not any(str(tmp_path).encode() in message for message in here.coordinator.heard)

    run(story)
