"""Whole sessions with real cryptography, each from one number: sites that fall silent, messages out of order.

`drawn(seed)` is always the same session. What it must end in follows from the phases in which sites fall silent,
whatever the order of messages, however often they come and however late those of a lost site are.
"""

# ruff: noqa: S311 - seeded on purpose

from __future__ import annotations

from random import Random

from autoglm_core.privacy.coordinator_session import Phase
from autoglm_core.privacy.ring import levels_for
from support.secure_sum_checks import require_end, require_honest, require_nothing_released
from support.secure_sum_oracle import PHASES, End, demanded
from support.secure_sum_wire import Deployment, Wire, inputs_for


def play(seed: int, *, sites: int | None = None) -> End:
    """Run session `seed`, over 3 to 12 sites or as many as `sites` says; what it had to end in, and did.

    Raises:
        AssertionError: it did not; says how to run it again.
    """
    wire, end = _drawn(seed, sites=sites)
    try:
        wire.run()
        require_end(wire, end)
        require_honest(wire)
        require_nothing_released(wire, end)
    except Exception as error:
        raise AssertionError(f"secure_sum_runs.play({seed}, sites={sites}): {error!r}") from error
    return end


def _drawn(seed: int, *, sites: int | None) -> tuple[Wire, End]:
    order = Random(seed)
    count = sites or order.randint(3, 12)
    minimum = order.choice((3, 3, order.randint(3, count)))
    deployment = Deployment.of(count, minimum_cohort=minimum, strangers=order.randrange(3))
    bits = order.choice((16, 32))
    spec = deployment.spec(
        parameters=order.randint(0, 40),
        ring_bits=bits,
        levels=levels_for(count, bits),
        session_id=order.randbytes(32),
    )
    some = order.sample(spec.cohort, _how_many(order, count, spare=count - spec.needed))
    drops = {site: order.choice(PHASES) for site in some}
    reported = {site for site in drops if order.random() < 0.4}
    wire = Wire(
        deployment,
        spec,
        inputs_for(spec, seed=seed),
        drops={site: Phase[phase] for site, phase in drops.items()},
        reported=reported,
        late={site for site in drops if order.random() < 0.4},
        late_input=order.random() < 0.5,
        duplicates=order.choice((0.0, 0.1, 0.5)),
        seed=seed,
    )
    return wire, demanded(spec.cohort, drops, minimum=minimum, reported=reported)


def _how_many(order: Random, sites: int, *, spare: int) -> int:
    """Mostly about as many as the session bears, sometimes any number."""
    return order.randint(0, sites) if order.random() < 0.2 else order.randint(0, min(sites, spare + 2))
