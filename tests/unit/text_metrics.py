"""The figures of language workloads have a usual direction, and those that are fractions are known as such."""

from __future__ import annotations

from autoglm_core.objective import FRACTIONS, Direction, usual_direction
from autoglm_workloads.text import entity_counts, language_counts
from autoglm_workloads.text.generation import reference_metrics

METRICS = {*entity_counts.METRICS, *language_counts.METRICS, *reference_metrics.METRICS}
LESS_IS_BETTER = {
    "loss",
    "perplexity",
    "bits_per_token",
    "mean_site_loss",
    "loss_spread",
    "f1_spread",
    "token_f1_spread",
}


def test_losses_and_spreads_are_minimized_and_nothing_else() -> None:
    assert {metric for metric in METRICS if usual_direction(metric) is Direction.MINIMIZE} == LESS_IS_BETTER


def test_what_is_neither_loss_nor_spread_nor_over_sites_is_a_fraction() -> None:
    over_sites = {metric for metric in METRICS if metric.startswith("mean_site_")}
    assert METRICS - LESS_IS_BETTER - over_sites == METRICS & set(FRACTIONS)
