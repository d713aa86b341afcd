"""What a study's sites are shielded from, and what not: said alike in status, results and documents."""

from __future__ import annotations

from autoglm_coordinator.federation.sessions import minimum_cohort
from autoglm_core.canonical import Json
from autoglm_core.privacy.roster import Roster
from autoglm_core.study import Study

NOT_PROTECTED = ("global model", "crafted models", "adaptive queries", "poisoned inputs")
"""The secure sum gives none of these; differential privacy would limit the first three."""
WITHOUT_SECURE_SUM = ("each site's update", "each site's counters", *NOT_PROTECTED)


def protection_in_force(study: Study, roster: Roster) -> Json:
    """As in result.json."""
    protection = study.protection
    return {
        "secure_sum": protection.secure_sum,
        "minimum_cohort": minimum_cohort(study, roster),
        "threshold": roster.threshold(len(roster.sites)),
        "roster": roster.hash,
        "ring_bits": protection.ring_bits,
        "random_k": protection.random_k,
        "not_protected": list(NOT_PROTECTED if protection.secure_sum else WITHOUT_SECURE_SUM),
    }
