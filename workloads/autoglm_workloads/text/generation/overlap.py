"""What one answer and its references have in common, as the counts that metrics are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

WORD_ORDERS = 4
"""BLEU-4 counts runs of 1 to 4 words."""
LETTER_ORDERS = 6
"""chrF counts runs of 1 to 6 characters."""
RECALL_WEIGHT = 2.0
"""chrF takes recall as so many times as important as precision; 2 is what is reported as chrF or chrF2 since 2016."""


def runs(items: Sequence[Hashable], order: int) -> Counter[tuple[Hashable, ...]]:
    """How often each run of `order` items occurs."""
    return Counter(tuple(items[start : start + order]) for start in range(len(items) - order + 1))


def bag_f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    """F1 of the words in common, each as often as in both; 1 where both are empty."""
    if not answer or not reference:
        return float(answer == reference)
    common = (Counter(answer) & Counter(reference)).total()
    return 2 * common / (len(answer) + len(reference))


def sequence_f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    """ROUGE-L (Lin 2004) with recall and precision alike: F1 of the longest common subsequence of words."""
    if not answer or not reference:
        return float(answer == reference)
    return 2 * longest_common(answer, reference) / (len(answer) + len(reference))


def longest_common(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence, by bits (Hyyrö 2004): a step for each item of `right`."""
    places: dict[Hashable, int] = {}
    for place, item in enumerate(left):
        places[item] = places.get(item, 0) | 1 << place
    everything = (1 << len(left)) - 1
    unmatched = everything
    for item in right:
        matches = unmatched & places.get(item, 0)
        unmatched = ((unmatched + matches) | (unmatched - matches)) & everything
    return len(left) - unmatched.bit_count()


def word_counts(answer: Sequence[str], references: Sequence[Sequence[str]]) -> list[int]:
    """Of BLEU (Papineni et al. 2002): 4 counts of matching runs, 4 of all runs of the answer, one length.

    A run matches as often as it occurs in the reference that has it most often. The length is that of the reference
    that is closest in length, the shorter of two.
    """
    matches, totals = [], []
    for order in range(1, WORD_ORDERS + 1):
        given = runs(answer, order)
        allowed: Counter[tuple[Hashable, ...]] = Counter()
        for reference in references:
            allowed |= runs(reference, order)
        matches.append((given & allowed).total())
        totals.append(given.total())
    closest = min((abs(len(reference) - len(answer)), len(reference)) for reference in references)
    return [*matches, *totals, closest[1]]


def letter_counts(answer: str, reference: str) -> list[int]:
    """Of chrF (Popovic 2015), spaces left out: 6 counts of runs in common, 6 of the answer's, 6 of the reference's.

    The answer's runs of an order count only where the reference is long enough to have one, as sacrebleu has it.
    """
    left, right = "".join(answer.split()), "".join(reference.split())
    pairs = [(runs(left, order), runs(right, order)) for order in range(1, LETTER_ORDERS + 1)]
    common = [(given & wanted).total() for given, wanted in pairs]
    lengths = [given.total() if wanted else 0 for given, wanted in pairs]
    return [*common, *lengths, *(wanted.total() for _, wanted in pairs)]
