"""The workload `causal-lm`: see `text.tasks.language`."""

from __future__ import annotations

from autoglm_core.workload import Workload
from autoglm_workloads.text.model_side import TextModelSide
from autoglm_workloads.text.site_side import TextSiteSide
from autoglm_workloads.text.tasks.language import LanguageModelling

_TASK, _VERSION = LanguageModelling(), 1
WORKLOAD = Workload(
    name=_TASK.name, version=_VERSION, model_side=TextModelSide(_TASK, _VERSION), site_side=TextSiteSide(_TASK)
)
