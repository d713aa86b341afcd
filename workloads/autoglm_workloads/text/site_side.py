"""A site's half of every text workload."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from autoglm_compression.models.session import open_session
from autoglm_core.configuration import Configuration, Values
from autoglm_core.counters import Counters
from autoglm_core.measurement import Split
from autoglm_core.workload import LocalRound, TrainOutcome, Vector
from autoglm_workloads.text.memory import require_room_to_load, require_room_to_train, training_bytes
from autoglm_workloads.text.model_options import model_options, text_model
from autoglm_workloads.text.model_side import NOTES
from autoglm_workloads.text.networks import network_of
from autoglm_workloads.text.tasks.api import Logits, Predictor, Prepared, TextTask
from autoglm_workloads.text.tokens import Ids, Tokens, padded
from autoglm_workloads.text.training.options import TextOptions

if TYPE_CHECKING:
    from torch import Tensor

    from autoglm_core.study import Study
    from autoglm_workloads.text.network import Network


@dataclass(frozen=True)
class TextSiteSide:
    """Loads, trains and evaluates for one text task."""

    task: TextTask

    def load(self, path: Path, study: Study) -> Prepared:
        """The site's texts: read, cleaned, split and tokenized."""
        return self.task.load(path, Tokens(text_model(study), model_options(study).max_length), study)

    def constants(self, data: Prepared, study: Study) -> Counters:
        """The task's counts over training rows, and the quality of the texts."""
        return {**self.task.constants(data, study), **data.counted}

    def training_bytes(self, study: Study, tune: Values) -> int:
        """What a training takes where texts are as long as the study lets them be."""
        return training_bytes(self.task, study, tune)

    def train(
        self, data: Prepared, study: Study, tune: Values, parameters: Vector, constants: Counters, at: LocalRound
    ) -> TrainOutcome:
        """Train for `local_epochs` from `parameters`; weight is the number of training rows.

        Raises:
            TooLittleMemory: it would not fit; nothing was loaded.
        """
        options, rows = TextOptions().updated(tune), data.splits.train
        require_room_to_train(self.task, study, tune, longest=int(data.lengths[rows].max(initial=0)))
        # Behind the question, for they import torch, which alone takes more than some sites allow.
        from autoglm_workloads.text.training.job import Fit
        from autoglm_workloads.text.training.loop import fit

        network = network_of(self.task, study, tune)
        network.load(parameters)
        lesson = self.task.lesson(data, study, tune, options, constants)
        device = next(network.parameters()).device

        def collate(places: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
            import torch

            chosen = rows[places]
            ids = padded([data.ids[row] for row in chosen], data.tokens.pad)
            batch = torch.from_numpy(ids), torch.from_numpy(lesson.targets(chosen))
            return batch[0].to(device), batch[1].to(device)

        fitted = fit(
            Fit(
                module=network,
                parameters=network.depth_parameters(),
                lengths=data.lengths[rows],
                collate=collate,
                objective=lambda batch: lesson.loss(network, *batch),
                options=options,
                at=at,
                rounds=study.rounds,
            )
        )
        counters = {"loss_sum": np.array(fitted.loss_sum), "units": np.array(float(fitted.units))}
        return TrainOutcome(network.vector(), int(rows.size), {**counters, **fitted.counters()}, fitted.notes)

    def evaluate(
        self, data: Prepared, study: Study, tune: Values, parameters: Vector, constants: Counters, split: Split
    ) -> Counters:
        """The task's counters of `parameters` in torch, decoded as the study's reference configuration."""
        require_room_to_load(self.task, study, tune)
        network = network_of(self.task, study, tune)
        network.load(parameters)
        configuration = Configuration(tune, study.reference_configuration.deploy)
        notes = self.task.notes(study, configuration, network.layout.split(parameters))
        return self.task.count(Predictor(_torch_logits(network), notes), data, study, split)

    def evaluate_model(self, data: Prepared, study: Study, model: bytes, split: Split) -> Counters:
        """The task's counters of an ONNX model, decoded as its notes say."""
        session = open_session(model)
        name = session.get_inputs()[0].name
        run: Callable[[Ids], NDArray[np.float32]] = lambda ids: session.run(None, {name: ids})[0]  # noqa: E731
        notes = json.loads(session.get_modelmeta().custom_metadata_map[NOTES])
        return self.task.count(Predictor(run, notes), data, study, split)

    def calibrate(self, data: Prepared, study: Study, configuration: Configuration, model: bytes) -> Counters:
        """Nothing."""
        return {}


def _torch_logits(network: Network) -> Logits:
    import torch

    device = next(network.parameters()).device

    def logits(ids: Ids) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = network.answer(torch.from_numpy(ids).to(device)).float().cpu().numpy()
        return found

    return logits
