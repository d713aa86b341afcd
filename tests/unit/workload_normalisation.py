"""Means and deviations of the cohort from sums over sites."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from autoglm_core.counters import CounterLayout
from autoglm_core.schema import Column, ColumnKind, TableSchema
from autoglm_workloads.family import LabelledRows
from autoglm_workloads.splitting import SplitRows
from autoglm_workloads.tabular import TabularFamily
from autoglm_workloads.wide_sums import joined_sum, split_sum, wide_fields
from support.workload_cases import CASES, LABEL, summed

NONE = np.zeros(0, np.int64)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=5))
def test_wide_sums_are_exact_to_a_billionth_over_sites(values: list[float]) -> None:
    layout = CounterLayout(wide_fields("sum", (1,)))
    total = summed(layout, [split_sum("sum", np.array([value])) for value in values])
    assert abs(joined_sum("sum", total)[0] - sum(values)) <= 1e-8 * len(values) + 1e-15 * sum(map(abs, values))


def rows(values: list[list[float]]) -> LabelledRows:
    inputs = np.array(values, np.float32)
    every = np.arange(len(inputs))
    return LabelledRows(inputs, every % 2, SplitRows(every, NONE, NONE))


def test_units_as_unlike_as_incomes_and_concentrations_are_normalised() -> None:
    names = [Column(name) for name in ("income", "concentration", "flag", "same")]
    schema = TableSchema((*names, Column("ill", ColumnKind.LABEL)), LABEL)
    study, family = replace(CASES["logistic"].study, schema=schema), TabularFamily()
    generator = np.random.default_rng(0)
    units, shift = np.array([1e6, 1e-4, 1, 0]), np.array([5e6, 3e-4, 0, 17])
    parts = [generator.normal(size=(size, 4)) * units + shift for size in (40, 90, 20)]
    constants = summed(family.constants_layout(study), [family.constants(rows(part.tolist()), study) for part in parts])
    normalisation = family.normalisation(study, constants)
    together = np.concatenate(parts).astype(np.float32)
    np.testing.assert_allclose(normalisation.mean, together.mean(0, dtype=np.float64), rtol=1e-4)
    np.testing.assert_allclose(normalisation.deviation[:3], together[:, :3].std(0, dtype=np.float64), rtol=1e-3)
    assert normalisation.deviation[3] == 1


def test_missing_numbers_count_for_nothing_and_become_the_mean() -> None:
    case = CASES["mlp"]
    family = TabularFamily()
    data = rows([[20, 0, 1, 1.0], [40, 1, 0, float("nan")], [60, 0, 0, 3.0]])
    normalisation = family.normalisation(case.study, family.constants(data, case.study))
    assert normalisation.mean[3] == 2
    applied = normalisation.apply(data.inputs)
    assert applied[1, 3] == 0
    assert np.isfinite(applied).all()
