"""The body of a training session's vector: a site's delta in the lanes and bits that the study declares."""

from __future__ import annotations

from autoglm_agent.admission import Admitted
from autoglm_agent.residuals import Residuals
from autoglm_compression.updates.error_feedback import compress, feedback_in_force, first_residual
from autoglm_core.privacy.ring import quantize, rounding_key
from autoglm_core.privacy.vectors import Body
from autoglm_core.workload import Vector


def training_body(
    delta: Vector, *, weight: int, admitted: Admitted, site_id: str, secret: bytes, residuals: Residuals
) -> tuple[Body, int]:
    """Ring elements `(spec.parameters,)` of `delta` `(spec.dimension,)`, and how many were clipped.

    With error feedback the residual is on disk when this returns. Blocks for milliseconds, or for the disk.

    Raises:
        NonFiniteUpdate, BadWeight, WrongVector: the delta cannot be summed.
    """
    spec, study = admitted.spec, admitted.study
    key = rounding_key(secret, spec)
    if not feedback_in_force(study.protection, spec.dimension):
        return quantize(delta, weight=weight, spec=spec, rounding_key=key)
    base = admitted.manifest.counted.get(site_id)
    residual = residuals.after(spec, base)
    if residual is None:
        residual = first_residual(weight=weight, spec=spec, rounding_key=key)
    made = compress(delta, residual, weight=weight, spec=spec)
    if spec.round < study.rounds:
        residuals.keep(spec, made.residual, base=base)
    return made.body, made.clipped
