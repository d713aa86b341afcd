"""What every workload promises; run over each of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoglm_compression.models.session import open_session
from autoglm_core.configuration import Configuration
from autoglm_core.counters import Counters
from autoglm_core.measurement import Split
from autoglm_core.workload import CountsParameters, Exported, LocalRound, TrainOutcome, Vector
from support.text_cases import TEXT_CASES, shelf
from support.text_models import on_shelf
from support.workload_cases import CASES, Case, summed

ALL = CASES | TEXT_CASES

SEED = bytes(range(32))
OTHER = bytes(32)


@dataclass(frozen=True)
class Prepared:
    """A case with loaded sites and parameters after two rounds of averaging."""

    case: Case
    sites: list[Any]
    constants: Counters
    parameters: Vector

    def train(self, seed: bytes = SEED, site: int = 0) -> TrainOutcome:
        case = self.case
        at = LocalRound(1, seed)
        return case.site_side.train(self.sites[site], case.study, case.tune, self.parameters, self.constants, at)

    def evaluate(self, site: int = 0, split: Split = Split.TRAIN) -> Counters:
        case = self.case
        return case.site_side.evaluate(self.sites[site], case.study, case.tune, self.parameters, self.constants, split)

    def export(self, configuration: Configuration, parameters: Vector | None = None) -> Exported:
        side, study = self.case.model_side, self.case.study
        used = self.parameters if parameters is None else parameters
        watched = side.export_calibration(study, configuration, used, self.constants)
        histograms = self.case.histograms(configuration, watched, self.sites)
        return side.export(study, configuration, used, self.constants, histograms)


@pytest.fixture(scope="module", params=list(ALL))
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    with on_shelf(shelf()):
        yield _prepared(request, tmp_path_factory)


def _prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    case = ALL[request.param]
    sites = case.sites(tmp_path_factory.mktemp(request.param))
    constants = case.constants(sites)
    state = Prepared(case, sites, constants, case.model_side.initial(case.study, case.tune, SEED))
    for _ in range(2):
        outcomes = [state.train(site=number) for number in range(len(sites))]
        mean = np.mean([outcome.parameters for outcome in outcomes], axis=0).astype(np.float32)
        state = replace(state, parameters=mean)
    return state


def test_study_is_accepted(prepared: Prepared) -> None:
    prepared.case.model_side.check(prepared.case.study)


def test_of_all_parameters_some_are_trained(prepared: Prepared) -> None:
    side, study, tune = prepared.case.model_side, prepared.case.study, prepared.case.tune
    if isinstance(side, CountsParameters):
        full = tune.get("method") == "full"
        assert (side.total_parameters(study, tune) == side.layout(study, tune).size) is full


def test_initial_weights_fit_the_layout_and_depend_on_the_seed_alone(prepared: Prepared) -> None:
    side, study, tune = prepared.case.model_side, prepared.case.study, prepared.case.tune
    first, again = side.initial(study, tune, SEED), side.initial(study, tune, SEED)
    assert first.shape == (side.layout(study, tune).size,)
    assert first.dtype == np.float32
    assert first.tobytes() == again.tobytes()
    assert first.any()
    assert first.tobytes() != side.initial(study, tune, OTHER).tobytes()


def test_training_is_bit_for_bit_repeatable_whatever_ran_before(prepared: Prepared) -> None:
    before = prepared.parameters.tobytes()
    first = prepared.train()
    prepared.train(OTHER, site=1)
    prepared.evaluate(site=1)
    again = prepared.train()
    assert first.parameters.tobytes() == again.parameters.tobytes()
    assert first.weight == again.weight > 0
    assert first.parameters.tobytes() != before
    assert prepared.parameters.tobytes() == before


def test_every_counter_fits_its_layout(prepared: Prepared) -> None:
    case, data = prepared.case, prepared.sites[0]
    side, study = case.model_side, case.study
    side.constants_layout(study).encode(case.site_side.constants(data, study))
    side.train_layout(study).encode(prepared.train().counters)
    side.evaluate_layout(study).encode(prepared.evaluate())
    side.constants_layout(study).encode(side.probe_constants(study))
    for configuration in case.configurations():
        layout = side.calibrate_layout(study, configuration)
        layout.encode(side.probe_histograms(study, configuration))


def test_constants_hold_rows_and_classes(prepared: Prepared) -> None:
    assert prepared.constants["rows"] > 0
    assert prepared.constants["classes"].sum() == prepared.constants["rows"]


def test_scores_of_the_sum_are_the_weighted_scores_of_the_sites(prepared: Prepared) -> None:
    side, layout = prepared.case.model_side, prepared.case.model_side.evaluate_layout(prepared.case.study)
    parts = [prepared.evaluate(site, Split.VALIDATION) for site in range(len(prepared.sites))]
    whole = side.score(summed(layout, parts), Split.VALIDATION)
    units = np.array([prepared.case.units(part) for part in parts])
    losses = np.array([side.score(part, Split.VALIDATION)["loss"].mean for part in parts])
    assert whole["loss"].mean == pytest.approx(float((units * losses).sum() / units.sum()), abs=1e-6)
    assert whole["loss"].count == sum(float(part["rows"]) for part in parts)
    assert set(whole) <= set(side.metrics(prepared.case.study))
    assert prepared.case.metric in whole


def test_splits_are_disjoint_parts_of_the_rows(prepared: Prepared) -> None:
    counts = {split: float(prepared.evaluate(0, split)["rows"]) for split in Split}
    assert counts[Split.TRAIN] == prepared.train().weight
    assert counts[Split.TRAIN] / sum(counts.values()) == pytest.approx(0.6, abs=0.03)
    assert counts[Split.TEST] == pytest.approx(counts[Split.VALIDATION], abs=2)


def test_the_unquantized_model_counts_what_the_framework_counts(prepared: Prepared) -> None:
    case = prepared.case
    exported = prepared.export(case.configurations()[0])
    assert exported.max_abs_difference < 1e-3
    for number, data in enumerate(prepared.sites):
        counted = case.site_side.evaluate_model(data, case.study, exported.model, Split.TRAIN)
        for name, expected in prepared.evaluate(number).items():
            np.testing.assert_allclose(counted[name], expected, rtol=1e-4, atol=1e-6)


def test_every_variant_exports_alike_twice_and_takes_any_batch(prepared: Prepared) -> None:
    side, study = prepared.case.model_side, prepared.case.study
    for configuration in prepared.case.configurations():
        exported = prepared.export(configuration)
        assert exported.model == prepared.export(configuration).model
        assert exported.size_bytes == len(exported.model)
        session = open_session(exported.model)
        for rows in (1, 5):
            inputs = side.probe_inputs(study, rows)
            (logits,) = session.run(None, {session.get_inputs()[0].name: inputs})
            assert logits.shape[0] == rows
            assert np.isfinite(logits).all()


def test_probe_inputs_are_the_same_on_every_call(prepared: Prepared) -> None:
    side, study = prepared.case.model_side, prepared.case.study
    assert side.probe_inputs(study, 7).tobytes() == side.probe_inputs(study, 7).tobytes()


def test_what_the_shape_key_names_can_be_probed_untrained(prepared: Prepared) -> None:
    """Size depends on the shape alone, so a model of random weights stands for the trained one."""
    side, study = prepared.case.model_side, prepared.case.study
    keys = set()
    for configuration in prepared.case.configurations():
        random = side.initial(study, configuration.tune, OTHER)
        probe = side.export(
            study,
            configuration,
            random,
            side.probe_constants(study),
            side.probe_histograms(study, configuration),
        )
        trained = prepared.export(configuration)
        assert (probe.size_bytes, probe.parameters) == (trained.size_bytes, trained.parameters)
        exact = {"size_mb": trained.size_bytes / 1e6, "parameters": float(trained.parameters)}
        assert side.exact_figures(study, configuration).items() <= exact.items()
        keys.add(side.shape_key(study, configuration))
    assert len(keys) == len(prepared.case.deploys)


def test_shape_key_ignores_training_and_threads(prepared: Prepared) -> None:
    side, study = prepared.case.model_side, prepared.case.study
    for configuration in prepared.case.configurations():
        other = Configuration({**configuration.tune, "learning_rate": 0.001}, {**configuration.deploy, "threads": 2})
        assert side.shape_key(study, configuration) == side.shape_key(study, other)


def test_variants_of_one_tuned_model_with_one_shape_key_are_one_model(prepared: Prepared) -> None:
    """A sampler measures no more than one of them."""
    side, study = prepared.case.model_side, prepared.case.study
    for configuration in prepared.case.configurations():
        slightly = {"prune": float(configuration.deploy.get("prune", 0.0)) + 1e-4}
        other = Configuration(configuration.tune, {**configuration.deploy, **slightly})
        if side.shape_key(study, configuration) == side.shape_key(study, other):
            assert prepared.export(configuration).model == prepared.export(other).model


@pytest.mark.parametrize("name", sorted({case.workload for case in ALL.values()}))
def test_loading_a_workload_loads_no_framework(name: str, tmp_path: Path) -> None:
    code = (
        f"import sys; from autoglm_workloads.registry import load_workload; load_workload({name!r});"
        "print(*sorted({'torch', 'onnx', 'onnxruntime', 'sklearn'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert found.stdout.split() == []
