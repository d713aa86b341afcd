"""A study whose language model the coordinator serves: real daemons, and a shelf of its own at each machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autoglm_workloads.models import shelf
from support.consortium import Consortium, Member
from support.text_models import on_shelf, tiny_bert

SITES = ("north", "east", "south")
STUDY = """
name: served
workload: synthetic
data: nothing
model: {{name: tiny-bert, options: {{content: {content}, source: {source}}}}}
schema: {{form: image, height: 1, width: 1, channels: 1, scale: 1, classes: [one, other]}}
search:
  tune: {{shift: "int(1, 100)"}}
objectives: {{loss: minimize}}
rounds: 1
budget: {{trials: 1}}
sampler: {{name: random}}
"""


@pytest.fixture
def coordinators(tmp_path: Path) -> Iterator[Path]:
    """The coordinator's shelf, which the agents' own configurations turn away from."""
    with on_shelf(tmp_path / "coordinators"):
        yield tmp_path / "coordinators"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_model_travels_from_the_coordinators_shelf_to_each_site_that_approves(
    coordinators: Path, tmp_path: Path
) -> None:
    model = tiny_bert(coordinators)
    table = '[data.nothing]\npath = "rows"\nworkload = "synthetic"\n[models]\npath = "models"\n'
    with Consortium(tmp_path, *(Member(name, table) for name in SITES)) as consortium:
        for name in SITES:
            (consortium[name].folder / "rows").write_bytes(b"")
        consortium.gather()
        told = submit(consortium, content="f" * 64, source="coordinator")
        assert "run `autoglm-coordinator models fetch" in told
        study = submit(consortium, content=model.content, source="coordinator").split()[0]
        consortium.wait_offer("north", study)
        assert "comes from the coordinator once the study is approved" in consortium["north"].types("show", study)
        assert not (consortium["north"].folder / "models").exists()
        consortium.decide("approve", study, *SITES)
        assert consortium.wait_state(study, "completed", "failed") == "completed"
    for name in SITES:
        with on_shelf(consortium[name].folder / "models"):
            assert shelf.find(model.content).files == model.files


def submit(consortium: Consortium, **model: str) -> str:
    """What `autoglm submit` says."""
    (consortium.operator.folder / "served.yaml").write_text(STUDY.format(**model))
    done = consortium.operator.run("submit", "served.yaml")
    return done.stdout or done.stderr
