"""What an administrator learns of a site's rows before anything is trained on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autoglm_agent.command_line import main
from autoglm_agent.ledger import Ledger
from autoglm_core.canonical import canonical_json
from autoglm_core.study import SplitSpec, Study
from autoglm_core.text_schema import TextFormat, TextSchema
from autoglm_core.text_target import TextLabel
from support.agent_sites import Site, make_site
from support.text_cases import COLOURS, TEXT_CASES, shelf
from support.text_models import on_shelf
from support.workload_cases import CASES

STUDY = TEXT_CASES["text-classification"].study
ROW = '{{"text": "the {colour} fox {number}", "label": "{colour}"}}\n'


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path, "site-a")


def offer(site: Site, **studies: Study) -> None:
    ledger = Ledger(site.state.ledger)
    for study_id, study in studies.items():
        body = canonical_json(study.to_json())
        ledger.offer_study(study_id, study_hash=study.hash, body=body, roster_hash="")
    ledger.close()


def check(site: Site, study: Study, path: Path) -> int:
    """The exit code of `data check` over the rows at `path`."""
    config = path.parent / "agent.toml"
    config.write_text(
        f'name = "site-a"\nstate = "{site.config.state}"\n'
        f'[data.{study.data}]\npath = "{path}"\nworkload = "{study.workload}"\n'
    )
    with on_shelf(shelf()):
        return main(["data", "check", study.data, "--config", str(config)])


def test_data_check_tells_the_quality_of_texts_and_sends_none_of_it(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.jsonl"
    body = "".join(ROW.format(colour=COLOURS[number % 2], number=number) for number in range(20))
    for number in (7, 9):
        body = body.replace(f"fox {number}", f"fox {number} lives in london" + " and in paris" * 9)
    path.write_text(body + ROW.format(colour="red", number=0) + '{"text": "a cat", "label": null}\n')
    ledger = Ledger(site.state.ledger)
    ledger.remember_check(STUDY.data, canonical_json(STUDY.to_json()))
    ledger.close()
    assert check(site, STUDY, path) == 0
    said = capsys.readouterr().out
    assert "rows: 22 read, 20 kept (12 train, 4 validation, 4 test)" in said
    assert "dropped: 1 unlabelled, 1 duplicate" in said
    assert "class red: 6 train, 2 validation, 2 test" in said
    assert "class blue: 0 train, 0 validation, 0 test" in said
    assert "longer than the model's inputs: 2 rows, which lose their rest" in said
    assert not site.state.audit.exists(), "nothing left the site"


def test_every_study_is_read_as_it_asks_and_named(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = replace(STUDY, model_options={**STUDY.model_options, "max_length": 4})
    other = replace(STUDY, split=SplitSpec(train=0.8, validation=0.1, test=0.1))
    offer(site, **{"short-1": short, "plain-1": STUDY, "plain-2": replace(STUDY, name="twin"), "other-1": other})
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(ROW.format(colour=COLOURS[number % 2], number=number) for number in range(20)))
    assert check(site, STUDY, path) == 0
    parts = capsys.readouterr().out.split(f"{STUDY.data}  ")[1:]
    said = {part.partition(":")[0]: part for part in parts}
    assert set(said) == {"short-1", "plain-1, plain-2", "other-1"}
    assert "longer than the model's inputs: 20 rows" in said["short-1"]
    assert "longer than" not in said["plain-1, plain-2"]
    assert "(16 train, 2 validation, 2 test)" in said["other-1"]


def test_a_bad_label_is_told_with_the_name_of_its_column(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = TextLabel("tone", (("good", ("1",)), ("bad", ("0",))))
    study = replace(STUDY, schema=TextSchema(TextFormat.CSV, target=label))
    offer(site, **{"toned-1": study})
    path = tmp_path / "rows.csv"
    path.write_text("id,age,tone,text\n1,31,1,a fox\n2,42,7,a dog\n")
    assert check(site, study, path) == 1
    said = capsys.readouterr().out
    assert "unknown class in the 2nd column that the study's schema names on line 3 (column 'tone')" in said
    assert "data check" not in said, "it is being read"


def test_a_bad_cell_of_a_table_is_told_with_the_name_of_its_column(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = CASES["logistic"].study
    offer(site, **{"table-1": study})
    path = tmp_path / "rows.csv"
    path.write_text("ill,dose,age,note,ward\n0,1,31,x,a\n1,1,42,y,nowhere\n")
    assert check(site, study, path) == 1
    told = "unknown category in the 2nd column that the study's schema names on line 3 (column 'ward')"
    assert told in capsys.readouterr().out


def test_a_model_that_the_coordinator_serves_asks_for_nothing(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {**STUDY.model_options, "content": "0" * 64, "source": "coordinator"}
    offer(site, **{"served-1": replace(STUDY, model_options=options)})
    path = tmp_path / "rows.jsonl"
    path.write_text(ROW.format(colour="red", number=1))
    assert check(site, STUDY, path) == 1
    said = capsys.readouterr().out
    assert "it comes from the coordinator once the study is approved; rows can be checked then" in said
    assert "models fetch" not in said
