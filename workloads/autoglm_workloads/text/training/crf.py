"""Linear-chain conditional random field (Lafferty et al. 2001) over the tags of a row, in torch.

A path's score is the sum of its tokens' logits, of its transitions, and of the scores of its first and last tag. The
negative log-likelihood of the true path replaces the cross-entropy of token classification. Only the counted tokens of
a row form its chain, in order: padding and the later pieces of a word lie outside. Decoding is `tag_decoding`'s, in
numpy, for both frameworks: an exported model gives logits only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from autoglm_workloads.text.tag_decoding import Transitions
from autoglm_workloads.text.tokens import LEFT_OUT
from autoglm_workloads.text.training.job import Loss

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Chain:
    """`tag_decoding.Transitions` as tensors: `between` `(tags, tags)`, `start` and `end` `(tags,)`."""

    between: Tensor
    start: Tensor
    end: Tensor

    def to_transitions(self) -> Transitions:
        """As float64 arrays, for decoding."""
        return Transitions(*(part.double().numpy(force=True) for part in (self.between, self.start, self.end)))


def chain_loss(logits: Tensor, labels: Tensor, chain: Chain) -> Loss:
    """Negative log-likelihood of `labels` `(rows, tokens)`, those of -100 left out; per counted token.

    `logits`: `(rows, tokens, tags)`.
    """
    counted = labels != LEFT_OUT
    units = int(counted.sum())
    if not units:
        return Loss(logits.sum() * 0.0, 0, 0.0)
    scores, tags, inside = _packed(logits.float(), labels, counted)
    loss = (_partition(scores, inside, chain) - _path_score(scores, tags, inside, chain)).sum()
    return Loss(loss / units, units, loss.detach())


def _packed(logits: Tensor, labels: Tensor, counted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, tags and mask with each row's counted tokens at its start, as long as the longest chain."""
    order = torch.argsort((~counted).to(torch.int8), dim=1, stable=True)[:, : int(counted.sum(dim=1).max())]
    scores = logits.gather(1, order[:, :, None].expand(-1, -1, logits.shape[2]))
    return scores, labels.gather(1, order).clamp_min(0), counted.gather(1, order)


def _partition(scores: Tensor, inside: Tensor, chain: Chain) -> Tensor:
    """Log of the summed exponentials of all paths' scores, per row `(rows,)`; 0 for a row without tokens."""
    forward = chain.start + scores[:, 0]
    for place in range(1, scores.shape[1]):
        step = torch.logsumexp(forward[:, :, None] + chain.between, dim=1) + scores[:, place]
        forward = torch.where(inside[:, place, None], step, forward)
    return torch.where(inside[:, 0], torch.logsumexp(forward + chain.end, dim=1), 0.0)


def _path_score(scores: Tensor, tags: Tensor, inside: Tensor, chain: Chain) -> Tensor:
    """Score of the path `tags` per row `(rows,)`; 0 for a row without tokens."""
    emitted = torch.where(inside, scores.gather(2, tags[:, :, None])[:, :, 0], 0.0).sum(dim=1)
    moved = torch.where(inside[:, 1:], chain.between[tags[:, :-1], tags[:, 1:]], 0.0).sum(dim=1)
    last = tags.gather(1, (inside.sum(dim=1, keepdim=True) - 1).clamp_min(0))[:, 0]
    return emitted + moved + torch.where(inside[:, 0], chain.start[tags[:, 0]] + chain.end[last], 0.0)
