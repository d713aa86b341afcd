"""A site's files: what is read, and what is refused without saying anything of the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autoglm_core.schema import MissingRows, TableSchema
from autoglm_core.study import SplitSpec
from autoglm_workloads.errors import DataEmpty, DataError, DataMismatch, DataMissing
from autoglm_workloads.image_data import read_images
from autoglm_workloads.tabular_data import TableReader, feature_count
from support.workload_cases import COLUMNS, IMAGES, LABEL, table, write_images, write_table

SPEC = SplitSpec()
HEADER = "age,ward,dose,note,ill"
GOOD = ["31,a,0.5,x,0", "42,b,0.25,y,1", "53,c,?,z,2", "64,a,1.0,w,0"]


def written(folder: Path, *lines: str) -> Path:
    path = folder / "secret-name.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_rows_with_missing_values_are_dropped_or_kept(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, *GOOD)
    dropped = TableReader(table(MissingRows.DROP)).read(path, SPEC)
    kept = TableReader(table(MissingRows.IMPUTE)).read(path, SPEC)
    assert dropped.inputs.tolist() == [[31, 0, 0, 0.5], [42, 1, 0, 0.25], [64, 0, 0, 1]]
    assert dropped.labels.tolist() == [0, 1, 0]
    assert kept.labels.tolist() == [0, 1, 1, 0]
    assert np.isnan(kept.inputs[2, 3])
    assert feature_count(table(MissingRows.DROP)) == dropped.inputs.shape[1]


def test_a_missing_category_becomes_the_reference_category(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, *GOOD, "70,?,1,n,0")
    assert TableReader(table(MissingRows.IMPUTE)).read(path, SPEC).inputs[4].tolist() == [70, 0, 0, 1]


def test_sites_may_write_numbers_and_columns_in_their_own_way(tmp_path: Path) -> None:
    ours = TableReader(table(MissingRows.DROP)).read(written(tmp_path, HEADER, *GOOD), SPEC)
    other = ["ill, note ,dose,ward,age", "0.0,x,5e-1,a, 31.0", "1,y,.25,b,42", "2,z,,c,53", "0,w,1,a,64"]
    theirs = TableReader(table(MissingRows.DROP)).read(written(tmp_path, *other), SPEC)
    assert ours.inputs.tobytes() == theirs.inputs.tobytes()
    assert ours.splits.train.tolist() == theirs.splits.train.tolist()


def test_a_file_without_header_is_read_by_position(tmp_path: Path) -> None:
    schema = TableSchema(COLUMNS, LABEL, missing=("?",), header=False)
    assert TableReader(schema).read(written(tmp_path, *GOOD), SPEC).labels.size == 3


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([HEADER.replace("dose", "amount"), *GOOD], "header exactly once in the 3rd column that .* on line 1"),
        ([HEADER + ",extra", *GOOD], "header with columns that the schema does not have"),
        ([HEADER, *GOOD, "1,a,2,b"], "wrong number of cells on line 6"),
        ([HEADER, *GOOD, "31,d,0.5,hush,0"], "unknown category in the 2nd column .* on line 6"),
        ([HEADER, *GOOD, "old,a,0.5,hush,0"], "not a number in the 1st column .* on line 6"),
        ([HEADER, *GOOD, "1e99,a,0.5,hush,0"], "not a finite number in the 1st column .* on line 6"),
        ([HEADER, *GOOD, "31,a,0.5,hush,7"], "unknown class in the 5th column .* on line 6"),
    ],
)
def test_another_schema_is_refused_by_place_alone(tmp_path: Path, lines: list[str], reason: str) -> None:
    with pytest.raises(DataMismatch, match=reason) as caught:
        TableReader(table(MissingRows.DROP)).read(written(tmp_path, *lines), SPEC)
    assert_silent(caught.value)


def test_files_that_are_absent_empty_or_no_text_are_refused(tmp_path: Path) -> None:
    reader = TableReader(table(MissingRows.DROP))
    with pytest.raises(DataMissing) as caught:
        reader.read(tmp_path / "secret-name.csv", SPEC)
    assert_silent(caught.value)
    for lines in ([""], [HEADER]):
        with pytest.raises(DataEmpty, match="no row to read; check `path`"):
            reader.read(written(tmp_path, *lines), SPEC)
    with pytest.raises(DataEmpty, match="1 row read, none usable for training: 1 with missing values"):
        reader.read(written(tmp_path, HEADER, "31,a,?,hush,0"), SPEC)
    path = tmp_path / "secret-name.bin"
    path.write_bytes(b"\xff\xfe\x00PK")
    with pytest.raises(DataMismatch):
        reader.read(path, SPEC)


def test_images_are_read_channels_first(tmp_path: Path) -> None:
    data = read_images(write_images(tmp_path / "a.npz", 50, 0), IMAGES, SPEC)
    assert data.inputs.shape == (50, 1, 8, 8)
    assert data.inputs.max() == 13
    assert data.splits.train.size == pytest.approx(30, abs=2)


def saved(**arrays: object) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays)  # type: ignore[arg-type]


PIXELS = np.zeros((4, 8, 8), np.uint8)
LABELS = np.array([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (lambda path: None, DataMissing),
        (lambda path: path.write_bytes(b""), DataEmpty),
        (lambda path: path.write_bytes(b"no archive"), DataMismatch),
        (lambda path: path.write_bytes(b"PK\x03\x04 torn"), DataMismatch),
        (saved(images=PIXELS), DataMismatch),
        (saved(images=PIXELS, labels=np.array([0, 1, 2, 3])), DataMismatch),
        (saved(images=PIXELS, labels=np.array([0, 1, 2])), DataMismatch),
        (saved(images=PIXELS, labels=np.array(["0", "1", "2", "0"])), DataMismatch),
        (saved(images=PIXELS[:, :7], labels=LABELS), DataMismatch),
        (saved(images=PIXELS, labels=LABELS, split=np.array(["train", "train", "secret", "test"])), DataMismatch),
        (saved(images=np.array([{"a": 1}] * 4), labels=LABELS), DataMismatch),
        (saved(images=PIXELS * np.nan, labels=LABELS), DataMismatch),
        (saved(images=PIXELS[:0], labels=LABELS[:0]), DataEmpty),
    ],
)
def test_other_images_are_refused(tmp_path: Path, write: Callable[[Path], None], error: type[DataError]) -> None:
    path = tmp_path / "secret-name.npz"
    write(path)
    with pytest.raises(error) as caught:
        read_images(path, IMAGES, SPEC)
    assert_silent(caught.value)


def test_splits_of_a_table_survive_a_new_export(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.csv", 40, 0)
    head, *rows = path.read_text().splitlines()
    reader = TableReader(table(MissingRows.DROP))
    first = reader.read(path, SPEC)
    second = reader.read(written(tmp_path, head, *reversed(rows)), SPEC)
    test_rows = [set(map(tuple, data.inputs[data.splits.test].tolist())) for data in (first, second)]
    assert test_rows[0] == test_rows[1]


def assert_silent(error: DataError) -> None:
    """No path, value or column name."""
    said = f"{error.message} {error.data}"
    assert not any(word in said for word in ("secret", "hush", "dose", "ward", "1e99"))
