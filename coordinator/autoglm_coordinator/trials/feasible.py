"""Which device classes refuse a shape because it breaks a constraint of the study."""

from __future__ import annotations

from collections.abc import Mapping

from autoglm_core.configuration import Configuration, Value
from autoglm_core.measurement import Measurement
from autoglm_core.study import Study


def classes_that_refuse(
    study: Study, configuration: Configuration, measurements: Mapping[str, Mapping[str, Measurement]]
) -> tuple[str, ...]:
    """Classes, sorted, in which a constraint over figures known by now does not hold.

    A constraint that names a figure not measured yet (accuracy, say) is not judged.
    """
    return tuple(sorted(name for name, figures in measurements.items() if not _holds(study, configuration, figures)))


def _holds(study: Study, configuration: Configuration, figures: Mapping[str, Measurement]) -> bool:
    values: dict[str, Value] = {**configuration.tune, **configuration.deploy}
    values |= {metric: measurement.mean for metric, measurement in figures.items()}
    return all(
        constraint.holds(values) for constraint in study.constraints if all(name in values for name in constraint.names)
    )
