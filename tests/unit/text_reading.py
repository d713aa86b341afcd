"""A site's texts in every format: the same rows, and a typed error without values for whatever is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from autoglm_core.study import SplitSpec
from autoglm_core.text_schema import TextSchema
from autoglm_workloads.errors import DataEmpty, DataError, DataMismatch, DataMissing
from autoglm_workloads.text.data import lines
from autoglm_workloads.text.data.cleaning import Drop
from autoglm_workloads.text.data.quality import QUALITY_LAYOUT
from autoglm_workloads.text.data.reading import read_texts
from autoglm_workloads.text.data.rows import TextRows
from support.parsers_texts import ROWS, SCHEMAS, SENTENCES, TAGS, sample, schema_of

SPEC = SplitSpec()
VALUE = "Ms Smith has diabetes"


def written(folder: Path, body: str | bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body.encode() if isinstance(body, str) else body)
    return path


def read(folder: Path, body: str | bytes, form: str, **keys: Any) -> TextRows:
    return read_texts(written(folder, body), schema_of(form, **keys), SPEC)


@pytest.mark.parametrize("name", ["jsonl", "csv", "tsv", "lines", "parquet"])
def test_every_format_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    schema = schema_of(name, columns=["label", "text"], separator="space") if name == "lines" else schema_of(name)
    rows = read_texts(written(tmp_path, sample(schema)), schema, SPEC)
    assert list(rows.texts) == [text for text, _ in ROWS]
    assert rows.labels.tolist() == [1, 0, 1]
    assert (rows.pairs, rows.words, rows.tags, rows.references) == (None, None, None, None)


@pytest.mark.parametrize("name", ["conll", "jsonl", "parquet"])
def test_tagged_words_come_in_bio_from_every_format(name: str, tmp_path: Path) -> None:
    schema = schema_of(name, tags=TAGS)
    rows = read_texts(written(tmp_path, sample(schema)), schema, SPEC)
    assert rows.words == tuple(words for words, _ in SENTENCES)
    assert rows.tags == (("O", "O", "B-ship", "I-ship"), ("O", "B-town", "O", "O"))
    assert rows.texts[1] == "to Ulm and back"


@pytest.mark.parametrize(("separator", "between"), [("tab", "\t"), ("space", "  ")])
def test_conll_ends_a_sentence_at_a_line_of_blanks_but_no_word_at_a_space_that_does_not_break(
    separator: str, between: str, tmp_path: Path
) -> None:
    body = "10\u00a0km\tO\nUlm\tS-town\n\t\nback\tO\n   \n\n".replace("\t", between)
    rows = read(tmp_path, body, "conll", tags=TAGS, separator=separator)
    assert rows.words == (("10 km", "Ulm"), ("back",))


def test_conll_may_end_its_lines_as_windows_does(tmp_path: Path) -> None:
    assert read(tmp_path, "Ulm\tS-town\r\n\r\nback\tO\r\n", "conll", tags=TAGS).tags == (("B-town",), ("O",))


def test_pairs_references_and_numbers_as_labels(tmp_path: Path) -> None:
    body = '{"text": "a b", "other": "c", "label": 1.0}\n{"text": "d", "other": "e", "label": true}\n'
    rows = read(tmp_path, body, "jsonl", pair="other", label={"name": "label", "classes": {"n": [1], "y": ["true"]}})
    assert rows.pairs == ("c", "e")
    assert rows.labels.tolist() == [0, 1]
    rows = read(tmp_path, body, "jsonl", label=None, reference="other")
    assert rows.references == ("c", "e")


def test_a_label_is_read_up_to_a_mark(tmp_path: Path) -> None:
    label = {"name": "kind", "until": ":", "classes": ["NUM", "LOC"]}
    body = "LOC:city Où est Ulm ?\nNUM:date When: now ?\n".encode("latin-1")
    rows = read(tmp_path, body, "lines", columns=["kind", "text"], separator="space", encoding="latin-1", label=label)
    assert rows.texts == ("Où est Ulm ?", "When: now ?")
    assert rows.labels.tolist() == [1, 0]


def test_plain_lines_and_paragraphs(tmp_path: Path) -> None:
    body = "To be,\nor not\n \nto be\n"
    assert read(tmp_path, body, "lines", label=None).texts == ("To be,", "or not", "to be")
    assert read(tmp_path, body, "lines", label=None, unit="paragraph").texts == ("To be,\nor not", "to be")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
def test_byte_order_marks_carriage_returns_and_line_separators(encoding: str, tmp_path: Path) -> None:
    mark = "\ufeff" if encoding != "utf-16" else ""
    body = f"{mark if encoding == 'utf-8' else ''}text,label\r\none\u2028line,1\r\n三個字,0\r\n".encode(encoding)
    keep = {"whitespace": "keep"}
    assert read(tmp_path, body, "csv", encoding=encoding, cleaning=keep).texts == ("one\u2028line", "三個字")


def test_a_published_split_is_a_folder_or_a_column(tmp_path: Path) -> None:
    for name, row in (("a-train-2.csv", "t,1"), ("x_dev.csv", "v,1"), ("TEST.csv", "e,0"), ("latest.csv", "n,1")):
        written(tmp_path, f"text,label\n{row}\n", f"folder/{name}")
    rows = read_texts(tmp_path / "folder", schema_of("csv"), SPEC)
    split = {name: [rows.texts[row] for row in getattr(rows.splits, name)] for name in ("train", "validation", "test")}
    assert split == {"train": ["t"], "validation": ["v"], "test": ["e"]}
    rows = read(tmp_path, "text,label,part\nt,1,Train\nv,1,dev\ne,0,test\n", "csv", split="part")
    assert [rows.texts[row] for row in rows.splits.test] == ["e"]


@pytest.fixture
def datasets() -> Any:
    """The library, which says little."""
    library = pytest.importorskip("datasets")
    library.disable_progress_bars()
    return library


NAMED = {"name": "label", "classes": ["bad", "good"]}


@pytest.mark.filterwarnings("ignore")
def test_what_the_library_datasets_saved_is_read_without_it(datasets: Any, tmp_path: Path) -> None:
    kind = datasets.ClassLabel(names=["bad", "good"])
    features = datasets.Features({"text": datasets.Value("string"), "label": kind})
    columns = {"text": [f"row {number}" for number in range(9)], "label": [number % 2 for number in range(9)]}
    whole = datasets.Dataset.from_dict(columns, features=features)
    whole.shuffle(seed=3).save_to_disk(tmp_path / "one", num_shards=2)
    rows = read_texts(tmp_path / "one", schema_of("datasets", label=NAMED), SPEC)
    assert dict(zip(rows.texts, rows.labels.tolist(), strict=True)) == {
        entry["text"]: entry["label"] for entry in whole
    }
    parts = datasets.DatasetDict({"train": whole.select(range(6)), "test": whole.select(range(6, 9))})
    parts.save_to_disk(tmp_path / "parts")
    rows = read_texts(tmp_path / "parts", schema_of("datasets", label=NAMED), SPEC)
    assert sorted(rows.texts[row] for row in rows.splits.test) == ["row 6", "row 7", "row 8"]
    whole.to_parquet(tmp_path / "rows.parquet")
    assert len(read_texts(tmp_path / "rows.parquet", schema_of("parquet", label=NAMED), SPEC).texts) == 9


@pytest.mark.filterwarnings("ignore")
def test_a_dataset_that_was_loaded_by_name_is_read_from_its_folder_in_the_cache(datasets: Any, tmp_path: Path) -> None:
    body = "".join(json.dumps({"text": f"row {number}", "label": number % 2}) + "\n" for number in range(8))
    files = {part: str(written(tmp_path, body.replace("row", part), f"{part}.jsonl")) for part in ("train", "test")}
    datasets.load_dataset("json", data_files=files, cache_dir=str(tmp_path / "cache"))
    rows = read_texts(tmp_path / "cache" / "json", schema_of("datasets"), SPEC)
    assert [rows.texts[row] for row in rows.splits.test] == [f"test {number}" for number in range(8)]


def damaged_parquet(folder: Path) -> Path:
    body = sample(SCHEMAS["parquet"])
    return written(folder, body[:40] + bytes(60) + body[100:])


Wrong = tuple[str, Callable[[Path], Path], TextSchema]


def file_of(body: str | bytes) -> Callable[[Path], Path]:
    return lambda folder: written(folder, body)


WRONG: dict[str, Wrong] = {
    "no file": ("cannot be opened", lambda folder: folder / "absent", schema_of("csv")),
    "an empty file": ("no row to read; check `path`", file_of(""), schema_of("csv")),
    "an empty folder": ("no row to read; check `path`", lambda folder: folder, schema_of("csv")),
    "no train file": ("no file of the folder is named train",
                      lambda folder: written(folder, "text,label\n", "f/test.csv").parent, schema_of("csv")),
    "a name with two splits": ("holds two of", lambda folder: written(folder, "", "f/train_test.csv").parent,
                               schema_of("csv")),
    "an unknown label": ("unknown class in the 2nd column that the study's schema names on line 3",
                         file_of(f"text,label\na,1\n{VALUE},{VALUE}\n"), schema_of("csv")),
    "another encoding": ("not in the declared encoding on line 2",
                         file_of(f"text,label\n{VALUE} née,1\n".encode("latin-1")), schema_of("csv")),
    "broken JSON": ("not JSON on line 2", file_of('{"text": "a", "label": 1}\n{"text": "' + VALUE),
                    schema_of("jsonl")),
    "JSON without a key": ("key missing in the 2nd column that .* on line 1", file_of('{"text": "' + VALUE + '"}\n'),
                           schema_of("jsonl")),
    "half of a letter in JSON": ("half of a surrogate pair on line 1",
                                 file_of(r'{"text": "' + VALUE + r'\ud800", "label": 1}'), schema_of("jsonl")),
    "ragged columns": ("wrong number of cells on line 3", file_of(f"text,label\na,1\n{VALUE}\n"), schema_of("csv")),
    "a quote that never ends": ("not comma-separated", file_of(f'text,label\n"{VALUE},1\n'), schema_of("csv")),
    "another header": ("not in the header exactly once in the 1st column", file_of("texts,label\na,1\n"),
                       schema_of("csv")),
    "a NUL": ("NUL in a text.* on line 2", file_of(f"text,label\n{VALUE}\0,1\n"), schema_of("csv")),
    "UTF-16 read as UTF-8": ("declared encoding", file_of("text,label\na,1\n".encode("utf-16")), schema_of("csv")),
    "an unknown split": ("none of train, validation, test in the 3rd column .* on line 2",
                         file_of(f"text,label,part\na,1,{VALUE}\n"), schema_of("csv", split="part")),
    "a tag without its span": ("tag not of the declared scheme in the 2nd column .* on line 5",
                               file_of(f"a\tO\n\n{VALUE}\tO\nb\tS-town\nc\tI-town\n"), schema_of("conll", tags=TAGS)),
    "an unknown type of span": ("unknown type of span", file_of(f"a\tS-{VALUE}\n"), schema_of("conll", tags=TAGS)),
    "a word without a tag": ("wrong number of cells on line 2", file_of(f"a\tO\n{VALUE}\n"),
                             schema_of("conll", tags=TAGS)),
    "fewer tags than words": ("not as many tags", file_of('{"text": ["a", "b"], "tags": ["O"]}'),
                              schema_of("jsonl", tags=TAGS)),
    "a text for words": ("no list of texts", file_of('{"text": "a", "tags": "O"}'), schema_of("jsonl", tags=TAGS)),
    "a Parquet that lies": ("not a sound Parquet file", damaged_parquet, SCHEMAS["parquet"]),
    "no Parquet": ("not a sound Parquet file", file_of(VALUE), SCHEMAS["parquet"]),
    "no dataset": ("not the folder of exactly one dataset", lambda folder: folder, SCHEMAS["datasets"]),
}  # fmt: skip


@pytest.mark.parametrize(("words", "place", "schema"), WRONG.values(), ids=WRONG)
def test_bad_input_is_a_typed_error_without_values(
    words: str, place: Callable[[Path], Path], schema: TextSchema, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_texts(place(tmp_path), schema, SPEC)
    shown = f"{caught.value} {caught.value.data}"
    assert VALUE not in shown
    assert str(tmp_path) not in shown


def test_an_error_says_in_which_file_of_a_published_split_it_is(tmp_path: Path) -> None:
    written(tmp_path, "text,label\na,1\n", "f/train.csv")
    folder = written(tmp_path, "text,label\nb,7\n", "f/test.csv").parent
    with pytest.raises(DataMismatch, match="on line 2 of the test file"):
        read_texts(folder, schema_of("csv"), SPEC)


def test_a_gigantic_line_is_refused_before_it_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST_TEXT", 1000)
    with pytest.raises(DataMismatch, match="line too long on line 2"):
        read(tmp_path, f"text,label\n{'a' * 200_000}", "csv")


def test_a_long_document_in_a_cell_is_no_gigantic_line(tmp_path: Path) -> None:
    assert len(read(tmp_path, f'text,label\n"{"ab " * 60_000}",1\nb,0\n', "csv").texts[0]) == 179_999


@pytest.mark.parametrize(
    ("encoding", "text"), [("latin-1", "Grüße aus Köln"), ("cp1251", "три дороги"), ("koi8-r", "три дороги")]
)
def test_a_utf8_file_that_is_said_to_be_in_another_encoding_is_refused(
    encoding: str, text: str, tmp_path: Path
) -> None:
    body = "text,label\n" + "".join(f"{text} {number},1\n" for number in range(12))
    with pytest.raises(DataMismatch, match="UTF-8 where the study's schema declares another encoding"):
        read(tmp_path, body.encode(), "csv", encoding=encoding)
    assert read(tmp_path, body.encode(encoding), "csv", encoding=encoding).texts[0] == f"{text} 0"
    few = "text,label\nnée,1\n".encode()
    assert read(tmp_path, few, "csv", encoding="latin-1").texts == ("nÃ©e",), "one letter may be chance"


@pytest.mark.parametrize("tagged", [False, True])
def test_a_text_in_a_parquet_file_that_is_not_utf8_is_treated_like_one_in_a_line(tagged: bool, tmp_path: Path) -> None:
    raw = pyarrow.array([b"a\xff", b"b", b"c"], pyarrow.binary())
    texts = pyarrow.Array.from_buffers(pyarrow.string(), 3, raw.buffers())
    if tagged:
        words = pyarrow.ListArray.from_arrays(pyarrow.array([0, 1, 2, 3], pyarrow.int32()), texts)
        table, target = pyarrow.table({"text": words, "tags": [["O"], ["O"], ["S-town"]]}), {"tags": TAGS}
    else:
        table, target = pyarrow.table({"text": texts, "label": [1, 1, 0]}), {}
    parquet.write_table(table, tmp_path / "rows.parquet")

    def read_with(undecodable: str) -> TextRows:
        schema = schema_of("parquet", cleaning={"undecodable": undecodable}, **target)
        return read_texts(tmp_path / "rows.parquet", schema, SPEC)

    with pytest.raises(DataMismatch, match="not UTF-8 in the 1st column"):
        read_with("refuse")
    assert (read_with("drop").texts, read_with("drop").quality.dropped) == (("b", "c"), {Drop.UNDECODABLE: 1})
    assert read_with("replace").texts == ("a\ufffd", "b", "c")


def test_bytes_outside_the_encoding_drop_their_row_or_become_a_sign(tmp_path: Path) -> None:
    body = "text,label\na\xe9,1\nb,0\nc,1\n".encode("latin-1")
    dropped = read(tmp_path, body, "csv", cleaning={"undecodable": "drop"})
    assert dropped.texts == ("b", "c")
    assert dropped.quality.dropped == {Drop.UNDECODABLE: 1}
    assert read(tmp_path, body, "csv", cleaning={"undecodable": "replace"}).texts == ("a\ufffd", "b", "c")


def test_the_report_counts_every_row_and_its_counters_add_up(tmp_path: Path) -> None:
    body = "text,label\nshort,1\n" + "".join(f"a long enough text {number},1\n" for number in range(10))
    body += 'a long enough text 3,1\nno label at all,\n"",0\n三個字三個字三個字,0\nWo ist denn mein Geld geblieben?,0\n'
    quality = read(tmp_path, body, "csv", cleaning={"shortest": 9, "scripts": ["latin"], "languages": ["en"]}).quality
    foreign = {Drop.OTHER_SCRIPT: 1, Drop.OTHER_LANGUAGE: 1}
    dropped = {Drop.TOO_SHORT: 1, Drop.UNLABELLED: 1, Drop.EMPTY: 1, Drop.DUPLICATE: 1, **foreign}
    assert quality.dropped == dropped
    assert (quality.read, quality.kept) == (16, 10)
    assert quality.single_class
    assert "class good: 6 train, 2 validation, 2 test" in quality.report()
    assert any("one class" in line for line in quality.report())
    vector = QUALITY_LAYOUT.encode(quality.counters())
    both = QUALITY_LAYOUT.decode(np.add(vector, vector))
    assert sum(both[f"dropped/{drop}"] for drop in Drop) + both["rows_kept"] == both["rows_read"] == 32
    assert both["single_class"] == 2


def test_the_report_obeys_no_control_characters_of_a_class_name(tmp_path: Path) -> None:
    label = {"name": "label", "classes": {"\x1b[2Jgone": [1], "b": [0]}}
    assert "\x1b" not in "".join(read(tmp_path, "text,label\na,1\nb,0\n", "csv", label=label).quality.report())


def test_another_order_of_the_file_changes_no_split(tmp_path: Path) -> None:
    rows = [f"text number {number},{number % 2}" for number in range(40)] + ["text number 7,0"]
    first, second = (
        read(tmp_path, "\n".join(["text,label", *order]), "csv", cleaning={"duplicates": "near"})
        for order in (rows, rows[::-1])
    )
    tests = [{one.texts[row] for row in one.splits.test} for one in (first, second)]
    assert tests[0] == tests[1]


def test_an_empty_site_is_told_apart_from_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(DataEmpty):
        read(tmp_path, "text,label\n,1\n", "csv")
    with pytest.raises(DataMissing):
        read_texts(tmp_path / "absent", schema_of("csv"), SPEC)


def refusal(folder: Path, body: str, **keys: Any) -> DataEmpty:
    with pytest.raises(DataEmpty) as caught:
        read(folder, body, "csv", **keys)
    return caught.value


def test_a_site_whose_rows_are_all_filtered_out_is_told_why(tmp_path: Path) -> None:
    german = "Der Zug nach Hamburg hat heute wieder einmal eine halbe Stunde Verspätung und niemand weiß warum"
    body = "text,label\n" + "".join(f"{german} {row},1\n" for row in range(50)) + ",1\na text,\n"
    error = refusal(tmp_path, body, cleaning={"languages": ["en"]})
    assert "52 rows read, none usable for training: 50 other language, 1 empty, 1 unlabelled" in error.message
    assert error.dropped == {"other language": 50, "empty": 1, "unlabelled": 1}


def test_a_site_without_training_rows_is_told_where_its_rows_are(tmp_path: Path) -> None:
    error = refusal(tmp_path, "text,label,part\n,1,test\nb,0,test\na,1,test\n", split="part")
    assert "3 rows read, none usable for training: 1 empty, 2 of validation and test" in error.message


def test_the_schema_of_a_language_model_has_one_class(tmp_path: Path) -> None:
    rows = read(tmp_path, "\n".join(f"line {number}" for number in range(20)), "lines", label=None)
    assert rows.labels.tolist() == [0] * 20
    assert (rows.splits.train.size, rows.splits.validation.size, rows.splits.test.size) == (12, 4, 4)
    assert not rows.quality.single_class
