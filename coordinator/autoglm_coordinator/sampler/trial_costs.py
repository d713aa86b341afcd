"""What trials took, from the records of their stages."""

from __future__ import annotations

import math

from autoglm_core.trial import StageName, Trial, TrialCost

VARIANT_STAGES = (StageName.PROBE, StageName.COMPRESS, StageName.EVALUATE)


def cost_of(trial: Trial) -> TrialCost | None:
    """None where there was no TUNE. One that lay in the store counts as what it took when it was run."""
    tune = next((stage for stage in trial.stages if stage.name is StageName.TUNE), None)
    if tune is None:
        return None
    own = math.fsum(stage.seconds for stage in trial.stages if stage.name in VARIANT_STAGES)
    return TrialCost(
        tune_seconds=tune.seconds, variant_seconds=own, tune_bytes=tune.bytes, tune_joules=tune.cost.joules
    )
