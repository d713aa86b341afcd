"""Whether this site or device takes part in a study: what can be said from agent.toml and the study alone.

The first rule that fails decides. Rules that no administrator can wave through (an unmasked sum without
`release_model`, a cohort below the site's minimum) come before the question whether somebody must be asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoglm_agent.config import AgentConfig, Approval, Rule
from autoglm_agent.studies import installed_workload
from autoglm_core.codes import RefusalCode, RefusedWith
from autoglm_workloads.models.needed import needed_model

if TYPE_CHECKING:
    from autoglm_core.study import Study


def judge(config: AgentConfig, study: Study, *, roster_accepted: bool) -> RefusalCode:
    """`ok` where policy approves by itself, `would-ask` where the administrator must, else why not."""
    try:
        require_possible(config, study)
    except RefusedWith as refusal:
        return refusal.reason
    if config.device is None and not roster_accepted:
        return RefusalCode.ROSTER_NOT_ACCEPTED
    return RefusalCode.OK if _approves(config, study) else RefusalCode.WOULD_ASK


def require_possible(config: AgentConfig, study: Study) -> None:
    """Raise `RefusedWith` where this agent cannot or must not take part, whatever its administrator says."""
    installed_workload(study.workload, study.workload_version)
    if config.device is not None:
        _require(config.device.device_class in study.device_classes, RefusalCode.UNKNOWN_DEVICE_CLASS)
        return
    source = config.data.get(study.data)
    _require(source is not None and source.workload == study.workload, RefusalCode.UNKNOWN_DATA)
    needed = needed_model(study)
    _require(needed is None or needed.here or needed.served, RefusalCode.MODEL_MISSING)
    if not study.protection.secure_sum:
        _require(config.policy.release_model, RefusalCode.SECURE_SUM_OFF)
        return
    _require(study.protection.minimum_cohort >= config.policy.minimum_cohort, RefusalCode.MINIMUM_COHORT)


def _approves(config: AgentConfig, study: Study) -> bool:
    match config.policy.approval:
        case Approval.SIMULATED:
            return True
        case Approval.RULES:
            return any(_covers(rule, study) for rule in config.policy.rules)
        case Approval.ASK:
            return False


def _covers(rule: Rule, study: Study) -> bool:
    return (
        (not rule.workloads or study.workload in rule.workloads)
        and (not rule.data or study.data in rule.data)
        and (not rule.max_rounds or study.rounds <= rule.max_rounds)
        and (not rule.max_trials or study.budget.trials <= rule.max_trials)
    )


def _require(holds: bool, code: RefusalCode) -> None:
    if not holds:
        raise RefusedWith(code)
