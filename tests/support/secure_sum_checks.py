"""What must hold of every session among honest sites, however it went."""

from __future__ import annotations

from autoglm_core.privacy import coordinator_events as at_coordinator
from autoglm_core.privacy.bodies import ShareKind, Unmask
from autoglm_core.privacy.messages import MessageKind
from support.secure_sum_oracle import PHASES, End, TooFew
from support.secure_sum_wire import Wire, completed, integer_sum, result_sum


def require_end(wire: Wire, end: End) -> None:
    """The session ended in `end`: the exact sum over exactly these survivors, or exactly this abort."""
    outcome = wire.outcome
    assert outcome is not None
    if isinstance(end, TooFew):
        assert isinstance(outcome, at_coordinator.Aborted), f"a sum, not {end}"
        assert (outcome.code, dict(outcome.data)) == ("too-few-sites", vars(end))
        return
    result = completed(outcome)
    assert result.survivors == tuple(sorted(end.survivors))
    assert result.dropped == tuple(site for site in wire.spec.cohort if site not in end.survivors)
    assert result_sum(result) == integer_sum([wire.inputs[site] for site in result.survivors], wire.spec.layout)


def require_honest(wire: Wire) -> None:
    """No honest site was blamed or driven to give up, and of no site both secrets went out."""
    assert not wire.blamed
    assert not wire.site_aborts
    lists = {release.survivors for release in wire.releases.values()}
    assert len(lists) <= 1
    out: set[tuple[str, ShareKind]] = set()
    for (site, kind), message in wire.messages.items():
        if kind is MessageKind.UNMASK:
            assert site in wire.releases
            out.update((dealer, share) for dealer, share, _ in Unmask.decode(message.body).shares)
    assert len(out) == len({dealer for dealer, _ in out}), "seed and mask key of one site"


def require_nothing_released(wire: Wire, end: End) -> None:
    """A session that was given up before UNMASK let no share out: its vectors stay masked for ever."""
    if isinstance(end, TooFew) and end.phase != PHASES[-1]:
        assert not wire.releases
