"""Losses of classifiers: cross-entropy, weighted, focal, smoothed, and all of these at once.

    loss = w[label] * (1 - p[label])**gamma * sum over classes of q * -log p

with smoothed targets q = (1 - s) * [class is label] + s / classes (Szegedy et al. 2016), gamma = 0 without the focal
loss (Lin et al. 2017). The mean is over units, not over the sum of their weights as torch has it: the weights come from
the whole cohort, where their mean is 1, and a site that holds one class only would divide them away again. So gradients
of parts of a batch add up to that of the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from autoglm_workloads.text.tokens import LEFT_OUT
from autoglm_workloads.text.training.job import Loss

if TYPE_CHECKING:
    from torch import Tensor

    from autoglm_workloads.text.training.options import TextOptions


def classification_loss(logits: Tensor, labels: Tensor, options: TextOptions, *, weights: Tensor | None = None) -> Loss:
    """Of `logits` `(rows, classes)` for `labels` `(rows,)`; `weights` `(classes,)`.

    `total` is the plain cross-entropy, so that it can be compared between configurations.
    """
    logits = logits.float()  # under autocast a sum of exponentials needs the digits
    log_probabilities = functional.log_softmax(logits, dim=1)
    plain = functional.nll_loss(log_probabilities, labels, reduction="none")
    losses = plain
    if options.label_smoothing:
        losses = torch.lerp(plain, -log_probabilities.mean(dim=1), options.label_smoothing)
    if options.criterion == "focal" and options.focal_gamma:
        losses = losses * _distance(plain).pow(options.focal_gamma)
    if weights is not None:
        losses = losses * weights[labels]
    return Loss(losses.mean(), labels.numel(), plain.detach().sum())


def token_loss(logits: Tensor, labels: Tensor, options: TextOptions, *, weights: Tensor | None = None) -> Loss:
    """Of `logits` `(rows, tokens, classes)` for `labels` `(rows, tokens)`; a token of label -100 does not count.

    A batch in which no token counts has a mean of 0 and no units.
    """
    counted = labels != LEFT_OUT
    chosen = labels[counted]
    if not chosen.numel():
        return Loss(logits.sum() * 0.0, 0, 0.0)
    return classification_loss(logits[counted], chosen, options, weights=weights)


def _distance(plain: Tensor) -> Tensor:
    """1 - p of the label `(rows,)` from -log p.

    Not below 1e-6: the power's slope at 0 is infinite for an exponent below 1, and infinity times 0 is no number.
    """
    return (-torch.expm1(-plain)).clamp_min(1e-6)
