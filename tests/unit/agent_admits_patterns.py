"""What a site admits of a study of low bits and few lanes, where there is error feedback.

Lies to a study at full width are in `tests/attacks/offers.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoglm_agent.admission import admit
from autoglm_agent.ledger import Ledger
from autoglm_core.codes import RefusalCode, RefusedWith
from autoglm_core.measurement import Split
from autoglm_core.privacy.session_spec import Purpose
from support.agent_sites import (
    SITES,
    approve,
    make_site,
    make_spec,
    offer_of,
    parameters_manifest,
    roster_of,
    toy_study,
)

Answer = Callable[..., RefusalCode]
COUNTED = {SITES[0]: "ab" * 32, "a-site-that-went": "cd" * 32}


@pytest.fixture
def answer(tmp_path: Path) -> Iterator[Answer]:
    """What the site says to a round of which the spec, the purpose or the manifest is otherwise."""
    sites = [make_site(tmp_path, name) for name in SITES]
    ledger, roster = Ledger(sites[0].state.ledger), roster_of(sites)
    study = toy_study(protection={"ring_bits": 16, "random_k": 0.25})
    approve(ledger, study, roster)

    def said(*, purpose: Purpose = Purpose.TRAIN, listed: dict[str, Any] | None = None, **changes: Any) -> RefusalCode:
        manifest = replace(parameters_manifest(b"weights"), **{"counted": COUNTED, **(listed or {})})
        spec = replace(make_spec(manifest, roster, study, purpose=purpose), **changes)
        try:
            admitted = admit(offer_of(spec, manifest), spec, ledger=ledger, config=sites[0].config)
        except RefusedWith as refusal:
            return refusal.reason
        assert admitted.manifest.counted == manifest.counted
        return RefusalCode.OK

    yield said
    ledger.close()


def test_a_round_of_the_approved_share_is_admitted(answer: Answer) -> None:
    assert answer() is RefusalCode.OK
    assert answer(listed={"counted": {}}) is RefusalCode.OK
    assert answer(parameters=500, dimension=2000) is RefusalCode.OK


@pytest.mark.parametrize(
    ("lanes", "dimension"), [(1, 2000), (499, 2000), (501, 2000), (2000, 2000), (501, 2004), (250, 1000)]
)
def test_a_round_of_another_share_or_another_model_is_refused(answer: Answer, lanes: int, dimension: int) -> None:
    """A pattern of one lane would sum one parameter alone; more lanes than approved would tell more."""
    assert answer(parameters=lanes, dimension=dimension) is RefusalCode.OUTSIDE_APPROVAL


def test_who_counted_is_no_matter_of_an_evaluation(answer: Answer) -> None:
    validation = {"split": Split.VALIDATION}
    assert answer(purpose=Purpose.VALIDATE, listed=validation) is RefusalCode.BAD_MANIFEST
    assert answer(purpose=Purpose.VALIDATE, listed={**validation, "counted": {}}) is RefusalCode.OK


@pytest.mark.parametrize("session", ["", "ab", "AB" * 32, "../" * 21 + "x", "ab" * 33])
def test_a_session_that_is_no_id_is_refused(answer: Answer, session: str) -> None:
    assert answer(listed={"counted": {SITES[0]: session}}) is RefusalCode.BAD_MANIFEST
