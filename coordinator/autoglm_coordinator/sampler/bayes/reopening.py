"""Further variants of models that were tuned earlier: which of them is worth most for its cost."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from autoglm_coordinator.sampler.bayes.acquisition import Acquisition
from autoglm_coordinator.sampler.bayes.candidates import Candidates
from autoglm_coordinator.sampler.bayes.costs import Costs
from autoglm_coordinator.sampler.bayes.encoding import UnitCube
from autoglm_coordinator.sampler.bayes.nesting import Stay
from autoglm_coordinator.sampler.bayes.tuned import TunedModel
from autoglm_core.configuration import Configuration
from autoglm_core.parameter import Part

Array = NDArray[np.float64]
LOOKED_AT = 1024
"""Variants that are compared, of as many models."""
FEWEST_EACH = 4


def most_worthy(
    tuned: Mapping[str, TunedModel],
    *,
    cube: UnitCube,
    candidates: Candidates,
    promise: Acquisition,
    costs: Costs,
    rng: np.random.Generator,
) -> tuple[TunedModel, Configuration, float] | None:
    """The variant that promises most per second, of some under every model that may have more, and what it promises.

    They are compared as they were drawn: what is compared with them is dear, and a gain that only a long search among
    cheap ones would find can wait for the next round.
    """
    free = cube.coordinates(Part.DEPLOY)
    models = [model for _, model in sorted(tuned.items()) if len(free) and _has_room(model, cube, costs)]
    if not models:
        return None
    if len(models) > LOOKED_AT // FEWEST_EACH:
        models = [models[index] for index in rng.permutation(len(models))[: LOOKED_AT // FEWEST_EACH]]
    drawn = _drawn(models, LOOKED_AT // len(models), cube=cube, candidates=candidates, free=free, rng=rng)
    if not drawn:
        return None
    inputs = cube.encode([configuration for _, configuration in drawn])
    promised = promise(inputs)
    best = int(np.argmax(promised - np.log(costs.of_variant(inputs))))
    return *drawn[best], float(promised[best])


def _has_room(model: TunedModel, cube: UnitCube, costs: Costs) -> bool:
    inputs = cube.encode([model.configuration])
    return Stay.begun(costs, inputs, earlier=model.variants, log_gain=0.0).is_within


def _drawn(
    models: list[TunedModel],
    each: int,
    *,
    cube: UnitCube,
    candidates: Candidates,
    free: NDArray[np.intp],
    rng: np.random.Generator,
) -> list[tuple[TunedModel, Configuration]]:
    """Variants at random, `each` of every model, without those that may not be suggested."""
    drawn: dict[str, tuple[TunedModel, Configuration]] = {}
    for model in models:
        latents = np.tile(cube.latent(model.configuration, fill=rng.random(cube.latents)), (each, 1))
        latents[:, free] = rng.random((each, len(free)))
        for latent in latents:
            configuration = cube.configuration(latent, tune=model.configuration.tune)
            if configuration.key not in drawn and candidates.accepts(configuration):
                drawn[configuration.key] = model, configuration
    return list(drawn.values())
