"""What a study's sites are shielded from, and what not: said alike by both daemons, in results and in documents."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from autoglm_core.canonical import Json
from autoglm_core.privacy.layout import TAIL_BYTES
from autoglm_core.privacy.session_spec import SUITE

if TYPE_CHECKING:
    from autoglm_core.privacy.roster import Roster
    from autoglm_core.study import Study

NOT_PROTECTED = ("global model", "crafted models", "adaptive queries", "poisoned inputs")
"""The secure sum gives none of these; differential privacy would limit the first three."""
WITHOUT_SECURE_SUM = ("each site's update", "each site's counters", *NOT_PROTECTED)
DEVICE_FACTS = "device facts: signed by the device, sealed to the coordinator, which reads them; no relay does"
DEVICE_FIGURES = "each device's figures"
"""Not protected from the coordinator, which opens them; relays and stored copies hold them sealed."""
UNSEEN_ROSTER = "keys that nobody compared"
"""Not protected under a roster that was accepted unseen: whoever wrote it could have put own keys into it."""


class RosterKind(StrEnum):
    """Who vouches for the sites' keys."""

    PINNED = "pinned"
    """Each site's administrator compared them and accepted that version."""
    SIMULATED = "simulated"
    """Some site's policy accepts any roster, as in a simulation."""


def minimum_cohort(study: Study, roster: Roster) -> int:
    """The fewest sites of a sum. The roster's minimum protects masks; one owner's hosts without masks need none."""
    protection = study.protection
    return max(protection.minimum_cohort, roster.minimum_cohort) if protection.secure_sum else protection.minimum_cohort


def fewest_survivors(study: Study, roster: Roster, *, sites: int) -> int:
    """Of a cohort of `sites` so many must stay, or there is no sum."""
    minimum = minimum_cohort(study, roster)
    return max(minimum, roster.threshold(sites)) if study.protection.secure_sum else minimum


def protection_in_force(study: Study, roster: Roster, *, sites: int, kind: RosterKind) -> Json:
    """As in result.json, for a study of `sites` sites. `spare_sites`: how many of them a round can lose."""
    protection = study.protection
    fewest = fewest_survivors(study, roster, sites=sites)
    masked: Json = {}
    if protection.secure_sum:
        masked = {
            "suite": SUITE,
            "threshold": roster.threshold(sites),
            "colluders": roster.colluders_for(sites),
            "spare_sites": max(0, sites - fewest),
        }
    without = [*(NOT_PROTECTED if protection.secure_sum else WITHOUT_SECURE_SUM)]
    if study.device_classes:
        without.append(DEVICE_FIGURES)
    if kind is RosterKind.SIMULATED:
        without.append(UNSEEN_ROSTER)
    return {
        "secure_sum": protection.secure_sum,
        "roster": str(kind),
        "roster_hash": roster.hash,
        "sites": sites,
        "minimum_cohort": minimum_cohort(study, roster),
        **masked,
        "rings": {"weights": protection.ring_bits, "counters": 8 * TAIL_BYTES},
        "random_k": protection.random_k,
        "clip": protection.clip,
        "not_protected": without,
    }


def protection_lines(facts: Json) -> Sequence[str]:
    """`facts`, from `protection_in_force`, for people."""
    rings = facts["rings"]
    carried = "" if facts["random_k"] == 1 else f", {facts['random_k']:g} of the weights in each round"
    return (
        _summed(facts),
        f"roster: {facts['roster']}, {facts['roster_hash'][:16]}",
        f"rings: {rings['weights']} bits for a weight, {rings['counters']} for a counter{carried}; "
        f"clip {facts['clip']:g}",
        f"not protected: {', '.join(facts['not_protected'])}",
    )


def _summed(facts: Json) -> str:
    if not facts["secure_sum"]:
        return f"secure sum: off, the coordinator sees every update; {facts['sites']} sites"
    spare = facts["spare_sites"]
    lost = f"a round can lose {spare}" if spare else "none can be missing: a round that loses one is repeated with all"
    return (
        f"secure sum: {facts['suite']}; {facts['sites']} sites, minimum cohort {facts['minimum_cohort']}, "
        f"threshold {facts['threshold']} against {facts['colluders']} in league with the coordinator; {lost}"
    )
