"""The model card and configuration.yaml that travel with an exported pick.

A card is read by someone who was not there: it says what the file is, how every figure was taken and on which rows,
and what the sites were not protected from. Figures without their provenance are not printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import yaml

from autoglm_coordinator.report.labels import unit, words
from autoglm_coordinator.report.outputs import outputs_of
from autoglm_core.canonical import Json
from autoglm_core.configuration import Values
from autoglm_core.measurement import Measurement, Provenance
from autoglm_core.trial import StageName, Trial

if TYPE_CHECKING:
    from autoglm_core.study import Study

HOW = {
    Provenance.SECURE_SUM: "counted by the sites on their own rows, summed under masks; no site's figure is known",
    Provenance.MEASURED: "measured on a device of the class",
    Provenance.MODELLED: "modelled, not measured: processor time times the watts that the device declares",
    Provenance.EXACT: "exact, read from the file",
}


def model_card(
    study: Study,
    trial: Trial,
    *,
    study_id: str,
    device_class: str,
    test: Mapping[str, Measurement],
    protection: Json,
) -> str:
    """Markdown. `test`: the pick's test figures, empty where it was not tested; `protection`: as in result.json."""
    sections = [
        f"# {study.name}, trial {trial.number}, for `{device_class}`",
        _what(study),
        "## Figures",
        _figures(trial.measurements.get(device_class, {}), test),
        _how(trial.measurements.get(device_class, {})),
        "## Rows",
        _rows(study, tested=bool(test)),
        "## Configuration",
        _table(
            ("parameter", "value"),
            [*_values("tune", trial.configuration.tune), *_values("deploy", trial.configuration.deploy)],
        ),
        _training(study, trial),
        "## Protection of the sites",
        _protection(protection),
        "## Where it comes from",
        f"Study `{study_id}`, hash `sha256:{study.hash}`, seed {study.seed}; workload `{study.workload}` version "
        f"{study.workload_version}. `configuration.yaml` beside this file holds the configuration.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def configuration_yaml(trial: Trial, *, study_id: str, study_hash: str, device_class: str) -> str:
    """configuration.yaml of a pick."""
    value = {
        "study": study_id,
        "study_hash": f"sha256:{study_hash}",
        "trial": trial.number,
        "device_class": device_class,
        **trial.configuration.to_json(),
    }
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def _what(study: Study) -> str:
    kind = study.workload.replace("-", " ")
    return f"`model.onnx` is a `{study.model}` for {kind} on `{study.data}`. {outputs_of(study.schema)}"


def _figures(figures: Mapping[str, Measurement], test: Mapping[str, Measurement]) -> str:
    rows = []
    for metric in (*figures, *(name for name in test if name not in figures)):
        chosen, tested = figures.get(metric), test.get(metric)
        source = chosen or tested
        rows.append(
            (words(metric), _figure(metric, chosen), _figure(metric, tested), str(source.provenance) if source else "")
        )
    return _table(("metric", "measured or validation", "test", "provenance"), rows)


def _figure(metric: str, figure: Measurement | None) -> str:
    if figure is None:
        return ""
    if figure.provenance is Provenance.EXACT:
        return f"{figure.mean:.6g} {unit(metric)}".rstrip()
    return f"{figure.mean:.4g} ± {figure.standard_error:.2g} {unit(metric)}".rstrip() + f" (n = {figure.count})"


def _how(figures: Mapping[str, Measurement]) -> str:
    used = [kind for kind in HOW if any(figure.provenance is kind for figure in figures.values())]
    lines = [f"- {kind}: {HOW[kind]}." for kind in used]
    return "\n".join(["± is one standard error; n counts rows, or samples of a latency.", *lines])


def _rows(study: Study, *, tested: bool) -> str:
    split = study.split
    shares = ", ".join(f"{share:.0%} {name}" for name, share in _shares(study))
    text = (
        f"Each site split its own rows: {shares}, by a keyed hash of the row, stratified by class (seed {split.seed}); "
        "where the data came with a published split, that one holds. Training and every choice saw training and "
        "validation rows only."
    )
    if tested:
        return (
            f"{text} The test figures were taken once, after the choice; the validation figures led to it and flatter."
        )
    return f"{text} This variant was not tested: its validation figures took part in its choice and are optimistic."


def _shares(study: Study) -> list[tuple[str, float]]:
    return [("training", study.split.train), ("validation", study.split.validation), ("test", study.split.test)]


def _training(study: Study, trial: Trial) -> str:
    rounds = max((stage.rounds for stage in trial.stages if stage.name is StageName.TUNE), default=0)
    return f"Trained in {rounds} of {study.rounds} federated rounds."


def _protection(protection: Json) -> str:
    if protection.get("secure_sum"):
        text = (
            f"Updates and counters were added under masks: the coordinator saw sums over at least "
            f"{protection.get('minimum_cohort')} sites, never one site's part."
        )
    else:
        text = "No secure sum: the coordinator was trusted with every site's updates and counters."
    shielded_not = ", ".join(str(item) for item in protection.get("not_protected", ()))
    return f"{text}\n\nNot protected: {shielded_not}." if shielded_not else text


def _values(part: str, values: Values) -> list[tuple[str, str]]:
    return [(f"{part}.{name}", f"`{value}`") for name, value in values.items()]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
