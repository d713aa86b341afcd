"""A tokenizer that is made of nothing: one token for each byte.

For models from a configuration: it fits every language, and its vocabulary tells nothing about anybody's texts, which
one that was trained on them would.
"""

from __future__ import annotations

from pathlib import Path

PAD, END = "[PAD]", "[EOS]"


def write_byte_tokenizer(path: Path) -> Path:
    """Write it as a tokenizer.json of 258 tokens; the same bytes on every machine."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    entries = [PAD, END, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({entry: number for number, entry in enumerate(entries)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([PAD, END])
    tokenizer.save(str(path))
    return path
