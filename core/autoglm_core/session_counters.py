"""Which counters a session carries: one rule, by which the coordinator asks and the agent refuses the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoglm_core.configuration import Configuration
from autoglm_core.counters import CounterField, CounterLayout
from autoglm_core.privacy.session_spec import Purpose
from autoglm_core.task import Manifest
from autoglm_core.training_cost import COST_LAYOUT

if TYPE_CHECKING:
    from autoglm_core.study import Study
    from autoglm_core.workload import ModelSide

WEIGHT = CounterField("weight")
"""First in every session: the rows behind a site's contribution."""
CLIPPED = CounterField("clipped")
"""Last where there is a body: elements of the delta that the clip cut off."""


def session_counters(model_side: ModelSide, study: Study, purpose: Purpose, manifest: Manifest) -> CounterLayout:
    """`weight`, then the fields of `purpose` under each item's key; for TRAIN then what it cost, and `clipped`.

    CONSTANTS has no items; its fields carry no prefix.
    """
    layout = CounterLayout((WEIGHT,))
    if purpose is Purpose.CONSTANTS:
        return layout + model_side.constants_layout(study)
    for item in manifest.items:
        layout = layout + _item_layout(model_side, study, purpose, item.configuration).prefixed(item.key)
    return layout + COST_LAYOUT + CounterLayout((CLIPPED,)) if purpose is Purpose.TRAIN else layout


def _item_layout(model_side: ModelSide, study: Study, purpose: Purpose, configuration: Configuration) -> CounterLayout:
    if purpose is Purpose.TRAIN:
        return model_side.train_layout(study)
    if purpose is Purpose.CALIBRATE:
        return model_side.calibrate_layout(study, configuration)
    return model_side.evaluate_layout(study)
