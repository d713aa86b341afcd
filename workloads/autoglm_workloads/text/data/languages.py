"""Which language a text is in, by py3langid: naive Bayes over byte sequences (Lui and Baldwin 2012).

Its probabilities are softened by the root of the text's length, so that a short text says less than a long one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from autoglm_core.languages import LANGUAGES

Rank = Callable[[str], list[tuple[str, float]]]
ODDS = 9.0
"""How many times as likely as all declared languages together another one must be."""
LEAST = 0.2
"""Its probability: below, a text says too little. Names look foreign in every language."""
MOST_CHARACTERS = 2000
"""Of a text that are looked at: more says no more, and a text may have millions."""


def in_another_language(text: str, declared: tuple[str, ...]) -> bool:
    """Whether one language that is not `declared` is far likelier than those that are.

    A text that says too little (a number, a name) is in no other language.
    """
    likely = dict(_rank()(text[:MOST_CHARACTERS]))
    ours = sum(likely[language] for language in declared)
    other = max((likely[language] for language in LANGUAGES if language not in declared), default=0.0)
    return other >= LEAST and other > ODDS * ours


@cache
def _rank() -> Rank:
    """The model takes a second to load and 100 MB, so it is made once, and only where a study asks."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    rank: Rank = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True).rank
    return rank
