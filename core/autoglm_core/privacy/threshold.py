"""How many sites must answer before anything is opened.

A cheating coordinator may show two halves of the honest sites different survivor lists; with t > (n + c) / 2 no two
lists can both collect t signatures, even if c sites collude with it (Bonawitz et al. 2017, section 6.2). The smaller
t > n / 2 was rejected: it holds only against a coordinator that follows the protocol.
"""

from __future__ import annotations

LARGEST_COHORT = 100
"""A complete graph of pairwise masks; beyond it another graph is needed (Bell et al. 2020)."""


def assumed_colluders(sites: int, *, at_least: int = 0) -> int:
    """Sites of a cohort of `sites` that may help a cheating coordinator: a third, at least 1, at least `at_least`."""
    return max(1, (sites - 1) // 3, at_least)


def threshold(sites: int, *, colluders: int) -> int:
    """Shares, signatures and survivors needed; larger than `sites` where no cohort of that size can be protected."""
    return (sites + colluders) // 2 + 1
