"""What a site demands of a session spec before it draws a single secret.

The coordinator proposes every field; a site follows only what its own pinned roster and its own policy bear out. Each
rule closes one way to lower the protection: another roster, a lower threshold, a smaller cohort, a ring that
overflows, masks left out.
"""

from __future__ import annotations

import math
import re

from autoglm_core.encoding import Malformed
from autoglm_core.privacy.errors import SpecRefused
from autoglm_core.privacy.layout import LARGEST_BODY, BadLayout
from autoglm_core.privacy.ring import levels_for
from autoglm_core.privacy.roster import Roster
from autoglm_core.privacy.session_spec import SESSION_ID_BYTES, SUITE, SessionSpec
from autoglm_core.privacy.threshold import LARGEST_COHORT

_HASH = re.compile(r"[0-9a-f]{64}")
LARGEST_WEIGHT_CAP = 2**40


def check_spec(spec: SessionSpec, roster: Roster, *, allow_unmasked: bool = False, lowest_epoch: int = 0) -> None:
    """Raise `SpecRefused` for the first field that `roster` and policy do not bear out.

    `allow_unmasked`: this site's administrator trusts the coordinator with clear vectors for this study.
    `lowest_epoch`: highest store epoch that this site has seen.
    """
    _require(spec.suite == SUITE, "suite", f"this version speaks {SUITE}")
    _require(spec.roster_hash == roster.hash, "roster_hash", "not the roster that this site accepted")
    _require(spec.store_epoch >= lowest_epoch, "store_epoch", "lower than one seen before: an old store was restored")
    _require(len(spec.session_id) == SESSION_ID_BYTES, "session_id", f"must be {SESSION_ID_BYTES} bytes")
    _check_cohort(spec, roster)
    if spec.masked:
        _check_protection(spec, roster)
    else:
        _require(allow_unmasked, "masked", "this site's policy lets nothing out unmasked")
        _require(1 <= spec.minimum_cohort <= len(spec.cohort), "minimum_cohort", "must lie within the cohort")
    _check_ring(spec)
    _check_round(spec)


def _check_cohort(spec: SessionSpec, roster: Roster) -> None:
    known = {site.site_id for site in roster.sites}
    _require(list(spec.cohort) == sorted(set(spec.cohort)), "cohort", "must name each site once, sorted")
    _require(known.issuperset(spec.cohort), "cohort", "names a site outside the accepted roster")
    _require(1 <= len(spec.cohort) <= LARGEST_COHORT, "cohort", f"must have 1 to {LARGEST_COHORT} sites")


def _check_protection(spec: SessionSpec, roster: Roster) -> None:
    sites = len(spec.cohort)
    _require(spec.colluders == roster.colluders_for(sites), "colluders", "not what the roster assumes")
    _require(spec.threshold == roster.threshold(sites), "threshold", f"must be {roster.threshold(sites)} of {sites}")
    _require(spec.threshold <= sites, "cohort", f"{sites} sites cannot reach the threshold {spec.threshold}; add sites")
    _require(spec.minimum_cohort >= roster.minimum_cohort, "minimum_cohort", f"below {roster.minimum_cohort}")
    _require(spec.minimum_cohort <= sites, "minimum_cohort", f"above the cohort's {sites} sites")


def _check_ring(spec: SessionSpec) -> None:
    try:
        layout = spec.layout
    except (Malformed, BadLayout) as error:
        raise SpecRefused(field="counters", reason=error.message) from None
    _require(layout.byte_size > 0, "parameters", "the vector is empty")
    _require(spec.parameters <= spec.dimension <= LARGEST_BODY, "dimension", "must lie between parameters and 2^30")
    _require((spec.parameters == 0) == (spec.dimension == 0), "dimension", "a model without a lane cannot be summed")
    most = levels_for(len(spec.cohort), spec.ring_bits)
    _require(1 <= spec.levels <= most, "levels", f"must lie in 1 to {most}, or the sum leaves the ring")
    _require(math.isfinite(spec.clip) and spec.clip > 0, "clip", "must be positive")
    _require(1 <= spec.weight_cap <= LARGEST_WEIGHT_CAP, "weight_cap", f"must lie in 1 to {LARGEST_WEIGHT_CAP}")
    _require(spec.noise == 0, "noise", "this version adds none")


def _check_round(spec: SessionSpec) -> None:
    for field, value in (("study_hash", spec.study_hash), ("manifest_hash", spec.manifest_hash)):
        _require(_HASH.fullmatch(value) is not None, field, "must be 64 hexadecimal digits")
    _require(all(_HASH.fullmatch(model) for model in spec.models), "models", "must be SHA-256 hashes")


def _require(holds: bool, field: str, reason: str) -> None:
    if not holds:
        raise SpecRefused(field=field, reason=reason)
