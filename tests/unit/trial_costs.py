"""What trials took, as their stages tell it."""

from __future__ import annotations

from autoglm_coordinator.sampler.history import history_of
from autoglm_coordinator.sampler.trial_costs import cost_of
from autoglm_core.training_cost import NO_COST, TrainingCost
from autoglm_core.trial import StageName, StageRecord, Trial, TrialCost, TrialState
from support.search_trials import completed, searched_study

STUDY = searched_study(constraints=())
TUNE = "a" * 64


def stage(name: StageName, seconds: float, *, key: str = "0" * 64, cached: bool = False) -> StageRecord:
    rounds, sent = (10, 1_000_000) if name is StageName.TUNE else (0, 0)
    cost = TrainingCost(seconds=30.0, measured=400.0, modelled=100.0) if rounds else NO_COST
    return StageRecord(name, key, cached, seconds, rounds, bytes=sent, cost=cost)


def trial(number: int, *stages: StageRecord, state: TrialState = TrialState.COMPLETED) -> Trial:
    return Trial(number, STUDY.reference_configuration, state, stages)


def variant(number: int, tune: StageRecord) -> Trial:
    own = (StageName.PROBE, 0.5), (StageName.COMPRESS, 0.25), (StageName.EVALUATE, 0.125), (StageName.TEST, 9.0)
    return trial(number, tune, *(stage(name, seconds) for name, seconds in own))


def test_a_tune_is_shared_and_a_variant_pays_for_itself() -> None:
    tune = stage(StageName.TUNE, 60.0, key=TUNE)
    assert [cost_of(variant(number, tune)) for number in (1, 2)] == [TrialCost(60.0, 0.875, 1_000_000, 500.0)] * 2


def test_a_tune_that_lay_in_the_store_counts_as_what_it_took() -> None:
    later = variant(7, stage(StageName.TUNE, 60.0, key=TUNE, cached=True))
    assert cost_of(later) == TrialCost(60.0, 0.875, 1_000_000, 500.0)


def test_a_trial_without_a_tune_has_no_cost() -> None:
    refused = trial(1, stage(StageName.PROBE, 0.5), state=TrialState.INFEASIBLE)
    assert cost_of(refused) is cost_of(trial(2)) is None


def test_observations_carry_the_costs_of_their_trials() -> None:
    trials = [completed(1, STUDY.reference_configuration), Trial(2, STUDY.reference_configuration, TrialState.FAILED)]
    observations = history_of(STUDY, trials).completed
    assert [entry.cost for entry in observations] == [TrialCost(2.0, 0.1, 0), None]
