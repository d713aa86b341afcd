"""Whether a study's metrics can be had: from its workload, from its devices, or from the exported model itself."""

from __future__ import annotations

from collections.abc import Collection

from autoglm_core.objective import DEVICE_METRICS, EXACT_METRICS
from autoglm_core.study import Study
from autoglm_core.study_error import Place, StudyError, nearest


def check_metrics(study: Study, workload_metrics: Collection[str]) -> None:
    """Raise `StudyError` unless every metric can be had and no parameter has a metric's name.

    `workload_metrics`: what the workload's `score` yields.
    """
    known = {*workload_metrics, *DEVICE_METRICS, *EXACT_METRICS}
    for name in sorted(known & study.space.names):
        raise StudyError(("search", str(study.space.part_of(name)), name), "has the name of a metric: choose another")
    for metric, place in _named_metrics(study):
        if metric not in known:
            raise StudyError(place, f"{metric!r} is no metric of {study.workload}", nearest=nearest(metric, known))
        if metric in DEVICE_METRICS and not study.device_classes:
            raise StudyError(place, f"{metric!r} is measured on devices: name them under device_classes")


def _named_metrics(study: Study) -> list[tuple[str, Place]]:
    key = "objectives" if study.weighted is None else "weighted"
    named: list[tuple[str, Place]] = [(item.metric, (key, item.metric)) for item in study.objectives]
    for constraint in study.constraints:
        named += [(name, ("constraints",)) for name in constraint.names if name not in study.space.names]
    return named
