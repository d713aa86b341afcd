"""Local training of a language model: rows in, changed parameters out.

The loop is our own and not transformers' Trainer, which writes checkpoints, logs and a folder, reads its settings from
the environment, and knows neither a pull towards broadcast weights nor a schedule that spans rounds at a coordinator.
The same arguments on the same machine with as many threads give the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from math import isfinite
from typing import Generic

import torch

from autoglm_workloads.errors import DivergedTraining
from autoglm_workloads.seeding import generator
from autoglm_workloads.text.training.adaptive.adaptation import Adaptation
from autoglm_workloads.text.training.adaptive.tally import Tally
from autoglm_workloads.text.training.batches import RowNumbers, batches
from autoglm_workloads.text.training.divergence import DivergenceWatch
from autoglm_workloads.text.training.job import Batch, Fit, Fitted, Loss
from autoglm_workloads.text.training.optimizers import build_optimizer, set_rate
from autoglm_workloads.text.training.precision import Precision
from autoglm_workloads.text.training.schedules import Plateau, rate_factor
from autoglm_workloads.text.training.surroundings import seeded, training_mode, typed_out_of_memory

MOST_OVERFLOWS = 20
"""Float16 steps in a row that may be left out: the scale has then fallen by a million."""


def fit(job: Fit[Batch]) -> Fitted:
    """Train `job.parameters` in place.

    Raises:
        DivergedTraining: a loss or gradient left the finite numbers, or the loss exploded.
        UnsupportedPrecision: the device does not train in `options.precision`; before any work is done.
        TrainingOutOfMemory: a batch did not fit.
    """
    device = job.parameters[0].tensor.device
    with (
        typed_out_of_memory(job.options, device),
        seeded(job.at.seed, device),
        training_mode(job.module, checkpointing=job.options.checkpointing),
    ):
        return _Training(job).run()


class _Training(Generic[Batch]):
    """The state of one training."""

    def __init__(self, job: Fit[Batch]) -> None:
        options = job.options
        self._job = job
        self._options = options
        self._tensors = [parameter.tensor for parameter in job.parameters]
        self._precision = Precision(options.precision, self._tensors[0].device)
        self._optimizer = build_optimizer(job.parameters, options)
        self._start = [tensor.detach().clone() for tensor in self._tensors] if options.proximal_mu else []
        self._watch = DivergenceWatch()
        self._plateau = Plateau()
        self._tally = Tally()
        self._adaptation = self._build_adaptation()
        self._rows = 0
        self._steps = 0
        self._overflows = 0
        self._loss_sum = 0.0
        self._units = 0

    def run(self) -> Fitted:
        """All local epochs."""
        stream = generator(self._job.at.seed, "batches")
        for epoch in range(1, self._options.local_epochs + 1):
            self._loss_sum, self._units = 0.0, 0
            micro = iter(batches(self._job.lengths, self._options.batch_size, stream))
            for group in self._groups(micro):
                self._step(group, epoch=epoch)
        self._check_parameters()
        decisions = tuple(self._adaptation.controller.decisions) if self._adaptation else ()
        return Fitted(self._loss_sum, self._units, self._steps, self._tally.total(), decisions)

    def _build_adaptation(self) -> Adaptation | None:
        options = self._options
        if options.controller == options.curvature == "off":
            return None
        rows, seed = self._job.lengths.size, self._job.at.seed
        return Adaptation(options, self._tensors, epoch_rows=rows, seed=seed, tally=self._tally)

    def _groups(self, micro: Iterator[RowNumbers]) -> Iterator[Sequence[RowNumbers]]:
        """Batches of one step each; the controller may change their number after any step."""
        while group := tuple(islice(micro, self._accumulation)):
            yield group

    @property
    def _accumulation(self) -> int:
        return self._adaptation.controller.accumulation if self._adaptation else self._options.accumulation

    def _step(self, group: Sequence[RowNumbers], *, epoch: int) -> None:
        rows = sum(part.size for part in group)
        set_rate(self._optimizer, self._rate(rows))
        total, units = self._accumulate(group)
        self._rows += rows
        self._steps += 1
        if not units:  # a step of tokens that none counts
            self._optimizer.zero_grad()
            return
        self._precision.unscale(self._optimizer)
        norm = torch.nn.utils.get_total_norm([tensor.grad for tensor in self._tensors if tensor.grad is not None])
        # One read for both: on an accelerator each would wait for all that is under way.
        loss_sum, size = torch.stack((total, norm.double())).tolist()
        self._watch.observe(loss_sum / units, epoch=epoch)
        self._check_norm(size, epoch=epoch)
        self._plateau.observe(self._watch.smoothed)
        self._loss_sum += loss_sum
        self._units += units
        self._tally.add_step(size)
        self._change(size, group[0])

    def _rate(self, rows: int) -> float:
        options = self._options
        round_rows = self._job.lengths.size * options.local_epochs
        progress = (self._job.at.number - 1 + (self._rows + rows / 2) / round_rows) / self._job.rounds
        factor = rate_factor(options.schedule, warmup=options.warmup, progress=progress)
        if options.schedule == "plateau":
            factor *= self._plateau.factor
        return options.learning_rate * factor * (self._adaptation.controller.rate_factor if self._adaptation else 1.0)

    def _accumulate(self, group: Sequence[RowNumbers]) -> tuple[torch.Tensor, int]:
        """Set the gradients to those of the mean loss over the units of all batches of `group`."""
        total, units, first = torch.zeros((), dtype=torch.float64, device=self._tensors[0].device), 0, 0
        for rows in group:
            loss = self._loss(rows)
            if not loss.units:
                continue
            first = first or loss.units
            self._precision.backward(loss.mean if loss.units == first else loss.mean * (loss.units / first))
            if self._adaptation:
                self._adaptation.take_gradient(rows.size, scale=self._precision.scale * loss.units / first)
            total += loss.total
            units += loss.units
        if units != first:
            torch._foreach_mul_([tensor.grad for tensor in self._tensors if tensor.grad is not None], first / units)
        return total, units

    def _loss(self, rows: RowNumbers) -> Loss:
        batch = self._job.collate(rows)
        with self._precision.autocast():
            return self._job.objective(batch)

    def _change(self, norm: float, rows: RowNumbers) -> None:
        """Clip, pull and step; `norm` is the gradient's, `rows` the first batch's."""
        options = self._options
        gradients = [tensor.grad for tensor in self._tensors if tensor.grad is not None]
        if options.clip_norm and norm > options.clip_norm:
            torch._foreach_mul_(gradients, options.clip_norm / norm)
        if options.proximal_mu:
            for tensor, start in zip(self._tensors, self._start, strict=True):
                if tensor.grad is not None:
                    tensor.grad.add_(tensor.detach() - start, alpha=options.proximal_mu)
        if self._adaptation:
            self._adaptation.before_change(self._steps)
        self._precision.step(self._optimizer)
        self._optimizer.zero_grad()
        if self._adaptation:
            self._adaptation.after_change(self._steps, lambda: self._loss(rows).mean)

    def _check_norm(self, norm: float, *, epoch: int) -> None:
        if isfinite(norm):
            self._overflows = 0
            return
        self._overflows += 1
        if self._precision.scaler is None or self._overflows > MOST_OVERFLOWS:
            raise DivergedTraining(epoch=epoch)

    def _check_parameters(self) -> None:
        finite = torch.stack([torch.isfinite(tensor).all() for tensor in self._tensors])
        if not bool(finite.all()):
            raise DivergedTraining(epoch=self._options.local_epochs)
