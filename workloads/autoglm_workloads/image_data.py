"""Reading a site's images: an npz file with `images` and `labels`, and `split` if one was published."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.models.chain import Array
from autoglm_workloads.errors import DataEmpty, DataMismatch, DataMissing
from autoglm_workloads.family import LabelledRows, Labels
from autoglm_workloads.splitting import PUBLISHED, split_rows

if TYPE_CHECKING:
    from autoglm_core.schema import ImageSchema
    from autoglm_core.study import SplitSpec


def read_images(path: Path, schema: ImageSchema, spec: SplitSpec) -> LabelledRows:
    """Images `(n, height, width)` or `(n, height, width, channels)` as unscaled inputs `(n, channels, height, width)`.

    Raises:
        DataMissing, DataMismatch, DataEmpty: as their names say.
    """
    arrays = _arrays(path)
    if "images" not in arrays or "labels" not in arrays:
        raise DataMismatch(reason="images or labels not in the file")
    inputs = _inputs(arrays["images"], schema)
    labels = _labels(arrays["labels"], schema)
    if len(inputs) != labels.size:
        raise DataMismatch(reason="not as many labels as images")
    keys = [image.tobytes() + label.tobytes() for image, label in zip(inputs, labels, strict=True)]
    data = LabelledRows(inputs, labels, split_rows(keys, labels, spec, _published(arrays.get("split"), labels.size)))
    if not data.splits.train.size:
        raise DataEmpty(rows=labels.size)
    return data


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The file's arrays; pickled ones are refused by numpy."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in ("images", "labels", "split") if name in archive.files}
    except OSError as error:
        raise DataMissing() from error
    except EOFError as error:
        raise DataEmpty() from error
    except (ValueError, BadZipFile, zlib.error, TypeError) as error:
        raise DataMismatch(reason="not an npz file of plain arrays") from error


def _inputs(images: NDArray[Any], schema: ImageSchema) -> Array:
    if images.ndim == 3:
        images = images[..., None]
    if images.shape[1:] != (schema.height, schema.width, schema.channels):
        raise DataMismatch(reason="images of another height, width or number of channels")
    if images.dtype.kind not in "uifb":
        raise DataMismatch(reason="images are not numbers")
    inputs = np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32)
    if not np.isfinite(inputs).all():
        raise DataMismatch(reason="images with values that are not finite")
    return inputs


def _labels(labels: NDArray[Any], schema: ImageSchema) -> Labels:
    if labels.ndim != 1 or labels.dtype.kind not in "ui":
        raise DataMismatch(reason="labels are not one whole number an image")
    if labels.size and not (0 <= int(labels.min()) and int(labels.max()) < len(schema.classes)):
        raise DataMismatch(reason="unknown class")
    return labels.astype(np.int64)


def _published(split: NDArray[Any] | None, rows: int) -> list[str] | None:
    if split is None:
        return None
    names = [str(name) for name in split.ravel()]
    if len(names) != rows or not set(names) <= set(PUBLISHED):
        raise DataMismatch(reason="split is not one of train, validation, test for each image")
    return names
