"""Writing the records of a site's texts in the format that the study declares."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoglm.errors import ExtraMissing
from autoglm.pick_archive import write_whole
from autoglm_core.text_schema import Separator, TextFormat
from autoglm_core.text_target import TagColumn
from autoglm_workloads.text.data.records import Cell, Record

if TYPE_CHECKING:
    from autoglm_core.text_schema import TextSchema

SUFFIXES = {TextFormat.LINES: "txt", TextFormat.DATASETS: "arrow"}
"""Where it is not the format's own name."""
PAD = "_"
"""A column of CoNLL or of lines that the study does not use."""


def write_texts(parts: Mapping[str, Sequence[Record]], schema: TextSchema, path: Path) -> Path:
    """Write `path` with a suffix, or a folder of that name with a file for each part of a published split.

    Records of no published split stand under `""`. Returns the path that was written.
    """
    suffix = SUFFIXES.get(schema.format, str(schema.format))
    if schema.format is TextFormat.DATASETS:
        for part, records in parts.items():
            _save_dataset(path / part, _encoded(records, schema))
        if "" not in parts:
            _write(path / "dataset_dict.json", json.dumps({"splits": list(parts)}).encode())
        return path
    if "" in parts:
        alone = path.with_name(f"{path.name}.{suffix}")
        _write(alone, _encoded(parts[""], schema))
        return alone
    for part, records in parts.items():
        _write(path / f"{part}.{suffix}", _encoded(records, schema))
    return path


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, body)


def _save_dataset(folder: Path, body: bytes) -> None:
    """As `Dataset.save_to_disk` does, as far as its reader looks."""
    _write(folder / "data.arrow", body)
    _write(folder / "state.json", json.dumps({"_data_files": [{"filename": "data.arrow"}]}).encode())


def _encoded(records: Sequence[Record], schema: TextSchema) -> bytes:
    if schema.format in (TextFormat.PARQUET, TextFormat.DATASETS):
        return _arrow(records, schema)
    text = "".join(_WRITERS[schema.format](records, schema))
    return text.encode(schema.encoding, "replace")


def _jsonl(records: Sequence[Record], schema: TextSchema) -> Iterable[str]:
    return (json.dumps({name: record.cells[name] for name in schema.used}) + "\n" for record in records)


def _csv(records: Sequence[Record], schema: TextSchema) -> Iterable[str]:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    if not schema.columns:
        writer.writerow(schema.used)
    writer.writerows(_row(record, schema, "") for record in records)
    return [buffer.getvalue()]


def _tsv(records: Sequence[Record], schema: TextSchema) -> Iterable[str]:
    header = [] if schema.columns else ["\t".join(schema.used) + "\n"]
    return [*header, *("\t".join(_row(record, schema, "")) + "\n" for record in records)]


def _lines(records: Sequence[Record], schema: TextSchema) -> Iterable[str]:
    if not schema.columns:
        # A blank line ends a paragraph and is no text where each line is one.
        return (f"{_text(record.cells[schema.text]).strip()}\n\n" for record in records)
    return (_separator(schema).join(_row(record, schema, PAD)) + "\n" for record in records)


def _conll(records: Sequence[Record], schema: TextSchema) -> Iterable[str]:
    for record in records:
        lists = [record.cells.get(name) or () for name in schema.columns]
        words = max(len(cells) for cells in lists)
        columns = [cells or (PAD,) * words for cells in lists]
        yield "".join(_separator(schema).join(row) + "\n" for row in zip(*columns, strict=True)) + "\n"


def _row(record: Record, schema: TextSchema, pad: str) -> list[str]:
    names = schema.columns or schema.used
    return [_text(record.cells[name]) if name in schema.used else pad for name in names]


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else ""


def _separator(schema: TextSchema) -> str:
    return "\t" if schema.separator is Separator.TAB else " "


_WRITERS = {
    TextFormat.JSONL: _jsonl,
    TextFormat.CSV: _csv,
    TextFormat.TSV: _tsv,
    TextFormat.LINES: _lines,
    TextFormat.CONLL: _conll,
}


def _arrow(records: Sequence[Record], schema: TextSchema) -> bytes:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ExtraMissing(package="pyarrow", extra="train") from error
    listed = {schema.text, schema.target.name} if isinstance(schema.target, TagColumn) else set()
    kinds = {name: pyarrow.list_(pyarrow.string()) if name in listed else pyarrow.string() for name in schema.used}
    columns: dict[str, Any] = {
        name: pyarrow.array([record.cells[name] for record in records], type=kind) for name, kind in kinds.items()
    }
    table, buffer = pyarrow.table(columns), io.BytesIO()
    if schema.format is TextFormat.PARQUET:
        parquet.write_table(table, buffer)
    else:
        with pyarrow.ipc.new_stream(buffer, table.schema) as stream:
            stream.write_table(table)
    return buffer.getvalue()
