"""How the parts of a published split are called, in a column and in the names of files."""

from __future__ import annotations

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    "test": "test",
}
"""Split by name in lower case."""
