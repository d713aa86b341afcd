"""What an administrator learns of a site's texts before anything is trained on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoglm_agent.command_line import main
from autoglm_agent.ledger import Ledger
from autoglm_core.canonical import canonical_json
from support.agent_sites import make_site
from support.text_cases import COLOURS, TEXT_CASES, shelf
from support.text_models import on_shelf


def test_data_check_tells_the_quality_of_texts_and_sends_none_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, site = TEXT_CASES["text-classification"].study, make_site(tmp_path, "site-a")
    path = tmp_path / "rows.jsonl"
    row = '{{"text": "the {colour} fox {number}", "label": "{colour}"}}\n'
    body = "".join(row.format(colour=COLOURS[number % 2], number=number) for number in range(20))
    for number in (7, 9):
        body = body.replace(f"fox {number}", f"fox {number} lives in london" + " and in paris" * 9)
    path.write_text(body + row.format(colour="red", number=0) + '{"text": "a cat", "label": null}\n')
    ledger = Ledger(site.state.ledger)
    ledger.remember_check(study.data, canonical_json(study.to_json()))
    ledger.close()
    config = tmp_path / "agent.toml"
    config.write_text(
        f'name = "site-a"\nstate = "{site.config.state}"\n'
        f'[data.{study.data}]\npath = "{path}"\nworkload = "text-classification"\n'
    )
    with on_shelf(shelf()):
        assert main(["data", "check", study.data, "--config", str(config)]) == 0
    said = capsys.readouterr().out
    assert "rows: 22 read, 20 kept (12 train, 4 validation, 4 test)" in said
    assert "dropped: 1 unlabelled, 1 duplicate" in said
    assert "class red: 6 train, 2 validation, 2 test" in said
    assert "class blue: 0 train, 0 validation, 0 test" in said
    assert "longer than the model's inputs: 2 rows, which lose their rest" in said
    assert not site.state.audit.exists(), "nothing left the site"
