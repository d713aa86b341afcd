"""Parquet files, and the Arrow files that the library `datasets` writes, as records.

Only pyarrow reads them: `datasets` itself would bring pandas and pickles, and its `load_dataset` may run code or ask a
hub. A number that a ClassLabel names is read as that name, which stands in the file's own metadata.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoglm_core.text_cleaning import Undecodable
from autoglm_core.text_schema import TextFormat
from autoglm_workloads.errors import DataMismatch, DataMissing, ReaderMissing
from autoglm_workloads.text.data.line_formats import cell_of
from autoglm_workloads.text.data.lines import REPLACEMENT
from autoglm_workloads.text.data.records import Cell, Record

if TYPE_CHECKING:
    from autoglm_core.text_schema import TextSchema

BATCH = 1024
"""Rows."""
METADATA_LIMIT = 64 * 2**20
"""Bytes of texts, and elements of lists, in a Parquet file's metadata."""
Names = Mapping[str, Sequence[str]]
"""Of the classes of a ClassLabel, by column."""


def read_arrow(path: Path, schema: TextSchema, columns: Sequence[str]) -> Iterator[Record]:
    """The rows of one file; `line` is 0, for it has none."""
    try:
        import pyarrow
    except ImportError as error:
        raise ReaderMissing(library="pyarrow", extra="train") from error
    try:
        # A mapped file gives no more bytes than it has; from an open one as many are made room for as it claims.
        file = pyarrow.memory_map(str(path))
    except OSError as error:
        raise DataMissing() from error
    with file:
        try:
            yield from _records(file, schema, columns)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
            what = "Parquet" if schema.format is TextFormat.PARQUET else "Arrow"
            raise DataMismatch(reason=f"not a sound {what} file") from error


def _records(file: Any, schema: TextSchema, columns: Sequence[str]) -> Iterator[Record]:
    described, batches = _parquet(file, columns) if schema.format is TextFormat.PARQUET else _stream(file)
    for place, name in enumerate(columns, start=1):
        if described.names.count(name) != 1:
            raise DataMismatch(reason="column not in the file exactly once", column=place)
    names, strict = class_names(described.metadata or {}), schema.cleaning.undecodable is Undecodable.REFUSE
    for batch in batches:
        cells = [_cells(batch, name, names.get(name), place, strict) for place, name in enumerate(columns, start=1)]
        for row in zip(*cells, strict=True):
            damaged = not strict and any(REPLACEMENT in "".join(cell or "") for cell in row)
            yield Record(0, dict(zip(columns, row, strict=True)), damaged)


def _parquet(file: Any, columns: Sequence[str]) -> tuple[Any, Iterable[Any]]:
    from pyarrow import parquet

    limits = {"thrift_string_size_limit": METADATA_LIMIT, "thrift_container_size_limit": METADATA_LIMIT}
    whole = parquet.ParquetFile(file, **limits)
    described = whole.schema_arrow
    present = [name for name in columns if name in described.names]
    return described, whole.iter_batches(BATCH, columns=present, use_threads=False)


def _stream(file: Any) -> tuple[Any, Iterable[Any]]:
    import pyarrow

    reader = pyarrow.ipc.open_stream(file)
    return reader.schema, reader


def class_names(metadata: Mapping[bytes, bytes]) -> Names:
    """What `datasets` wrote about its columns: the names of classes, of a column or of the items of its lists."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        inner = {name: feature.get("feature", feature) for name, feature in features.items()}
        found = {name: feature.get("names") for name, feature in inner.items() if isinstance(feature, dict)}
    except (ValueError, AttributeError, RecursionError) as error:
        raise DataMismatch(reason="metadata of datasets that cannot be read") from error
    return {name: names for name, names in found.items() if isinstance(names, list)}


def _cells(batch: Any, column: str, names: Sequence[str] | None, place: int, strict: bool) -> Iterator[Cell]:
    values = batch.column(batch.schema.get_field_index(column))
    undecoded = _undecoded(values.type)
    if undecoded is not None:
        values = values.cast(undecoded)
    values.validate(full=True)  # a file may lie about offsets, which pyarrow would follow
    for value in values.to_pylist():
        text = value if undecoded is None else _decoded(value, place, strict)
        yield cell_of(text if names is None else _named(text, names, place), column=place, line=0)


def _undecoded(kind: Any) -> Any:
    """The same as bytes, of texts and lists of texts: pyarrow would refuse a file for one text that is not UTF-8."""
    import pyarrow

    if pyarrow.types.is_list(kind):
        inner = _undecoded(kind.value_type)
        return None if inner is None else pyarrow.list_(inner)
    plain = {pyarrow.string(): pyarrow.binary(), pyarrow.large_string(): pyarrow.large_binary()}
    return plain.get(kind)


def _decoded(value: bytes | list[bytes | None] | None, place: int, strict: bool) -> object:
    if isinstance(value, list):
        return [_decoded(item, place, strict) for item in value]
    try:
        return value if value is None else value.decode("utf-8", "strict" if strict else "replace")
    except UnicodeDecodeError as error:
        raise DataMismatch(reason="a text that is not UTF-8", column=place) from error


def _named(value: object, names: Sequence[str], place: int) -> object:
    """Class numbers as names; -1 is how `datasets` writes that there is no label."""
    if isinstance(value, list):
        return [_named(item, names, place) for item in value]
    if not isinstance(value, int) or isinstance(value, bool) or value == -1:
        return None if value == -1 else value
    if not 0 <= value < len(names):
        raise DataMismatch(reason="unknown class", column=place)
    return str(names[value])
