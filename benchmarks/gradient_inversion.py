"""What a coordinator can read out of updates: published attacks with masking off, under masks, and on the sum.

    python benchmarks/gradient_inversion.py [--attack images dense text] [--trials 3] [--iterations 300]
        [--starts 2] [--sites 1 2 4 8 16 32] [--questions FILE] [--json]

Each site holds one row and takes one step: the worst case. For each attack, `prior` is the best guess of who sees
nothing, `nothing` the attack on random ring elements, `masked` on one site's masked vector, `clear` on one vector with
masking off, `sum_N` on the mean over N sites. A sum does not tell whose rows it shows.

Images: dB of PSNR, 60 at most. `images` attacks a convolutional network after an epoch (from its first weights, and
once it is sure of a row, the search finds little), `dense` one with a dense first layer. Text: `rows` is the F1 of the
tokens found against those of one site's sentence where the embedding is trained, `span` that of tokens at their places
where it is frozen; `*_recall` is the share of all N sentences that was found. `cosine_*`: how much of the true update's
direction one vector shows.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from inversion.held import Held, Vector, hold, nothing
from inversion.images import KNOWN, Network, digits, match_gradient, mean_image, psnr, solve_dense
from inversion.text import Corpus, Sentence, Transformer, f1, places, recall

QUESTIONS = Path(__file__).parents[2] / "shared" / "data" / "trec" / "TREC.train"
WIDTH, NEURONS, EMBEDDING = 16, 128, 64
MASKED_COHORT = 4
SEED = 5
Figures = Iterator[tuple[str, float]]


def image_attacks(options: argparse.Namespace) -> Figures:
    """Gradient matching on the workload's convolutional network."""
    images, labels = digits()
    network = Network.convolutional(WIDTH, bytes(32)).trained(images[:KNOWN], labels[:KNOWN])

    def attack(update: Vector, labels: Sequence[int], trial: int) -> np.ndarray:
        search = {"iterations": options.iterations, "starts": options.starts, "seed": trial}
        return match_gradient(network, update, labels, **search)

    return _on_digits(network, attack, options)


def dense_attacks(options: argparse.Namespace) -> Figures:
    """The equation of the first layer, on a network with one hidden layer."""
    network = Network.dense(NEURONS, bytes(32))
    return _on_digits(network, lambda update, _, __: solve_dense(network, update), options)


Attack = Callable[[Vector, Sequence[int], int], np.ndarray]


def _on_digits(network: Network, attack: Attack, options: argparse.Namespace) -> Figures:
    images, labels = digits()
    for trial, chosen in _drawn(len(images) - KNOWN, options):
        rows = chosen + KNOWN
        updates = [network.update(images[row], int(labels[row])) for row in rows]
        first, label = images[rows[:1]], [int(labels[rows[0]])]
        yield "prior", psnr(mean_image(images), first)
        held = hold(updates[:MASKED_COHORT])
        for name, seen in _views(held, updates[0], trial):
            yield name, psnr(attack(seen, label, trial), first)
            yield f"cosine_{name}", _cosine(seen, updates[0])
        for sites in options.sites:
            total = hold(updates[:sites]).total
            found = attack(total, [int(labels[row]) for row in rows[:sites]], trial)
            yield f"sum_{sites}", psnr(found, images[rows[:sites]])


def text_attacks(options: argparse.Namespace) -> Figures:
    """Rows of the embedding, and the span of the attention's inputs."""
    corpus = Corpus.read(options.questions)
    network = Transformer(corpus, width=EMBEDDING, seed=SEED)
    expected = round(mean(len(sentence) for _, sentence in corpus.sentences))
    for trial, chosen in _drawn(len(corpus.sentences), options):
        rows = [corpus.sentences[index] for index in chosen]
        updates = [network.update(*row) for row in rows]
        own: Sentence = rows[0][1]
        held = hold(updates[:MASKED_COHORT])
        # Tokens are numbered by frequency: the most frequent ones are the guess of who sees nothing.
        yield "rows_prior", f1(frozenset(range(expected)), frozenset(own))
        for name, seen in _views(held, updates[0], trial):
            yield f"rows_{name}", f1(network.tokens_by_row(seen, expected=expected), frozenset(own))
            yield f"span_{name}", f1(network.places_by_span(seen), places(own))
        for sites in options.sites:
            total, sentences = hold(updates[:sites]).total, [sentence for _, sentence in rows[:sites]]
            tokens, found = network.tokens_by_row(total, expected=expected), network.places_by_span(total)
            yield f"rows_sum_{sites}", mean(f1(tokens, frozenset(each)) for each in sentences)
            yield f"rows_sum_{sites}_recall", recall(tokens, [frozenset(each) for each in sentences])
            yield f"span_sum_{sites}", mean(f1(found, places(each)) for each in sentences)
            yield f"span_sum_{sites}_recall", recall(found, [places(each) for each in sentences])


def _drawn(rows: int, options: argparse.Namespace) -> Iterator[tuple[int, np.ndarray]]:
    """For each trial, as many rows as there are sites at most."""
    for trial in range(options.trials):
        most = max(MASKED_COHORT, *options.sites)
        yield trial, np.random.default_rng([SEED, trial]).choice(rows, most, replace=False)


def _views(held: Held, update: Vector, trial: int) -> Iterator[tuple[str, Vector]]:
    assert held.masked is not None
    yield "nothing", nothing(update.size, trial)
    yield "masked", held.masked
    yield "clear", held.clear


def _cosine(one: Vector, other: Vector) -> float:
    """Without its sign."""
    return abs(float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other))))


ATTACKS = {"images": image_attacks, "dense": dense_attacks, "text": text_attacks}


def main() -> None:
    """Attack and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attack", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=300, help="of gradient matching")
    parser.add_argument("--starts", type=int, default=2, help="of gradient matching; the closest counts")
    parser.add_argument("--sites", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--questions", type=Path, default=QUESTIONS, help="the TREC set's questions")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for name in options.attack:
        samples: dict[str, list[float]] = defaultdict(list)
        for key, value in ATTACKS[name](options):
            samples[key].append(value)
        print(f"{name}, {options.trials} trials: mean, lowest and highest")
        for key, values in samples.items():
            print(f"    {key:<22}{mean(values):8.3f}   {min(values):8.3f} .. {max(values):.3f}")
        found[name] = {key: round(mean(values), 4) for key, values in samples.items()}
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
