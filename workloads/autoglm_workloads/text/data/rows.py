"""A site's texts, ready for a tokenizer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoglm_workloads.splitting import SplitRows
from autoglm_workloads.text.data.quality import Quality


@dataclass(frozen=True)
class TextRows:
    """Cleaned rows.

    Attributes:
        texts: Of each row; of tagged words, the words with spaces between.
        pairs: The second text of each row, if the schema has one.
        labels: `(rows,)` class of each row; zeros where the schema has no label.
        words: Words of each row, if the schema has tags.
        tags: A tag for each word, in BIO whatever the scheme of the file.
        references: The good answer to each text, if the schema has one.
        splits: Row numbers of each split.
        quality: Stays at the site, but for its counters.
    """

    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None
    labels: NDArray[np.int64]
    words: tuple[tuple[str, ...], ...] | None
    tags: tuple[tuple[str, ...], ...] | None
    references: tuple[str, ...] | None
    splits: SplitRows
    quality: Quality

    def report(self) -> list[str]:
        """For `autoglm-agent data check`."""
        return self.quality.report()
