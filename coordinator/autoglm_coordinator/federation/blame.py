"""Sites that broke the secure sum, and what follows: no session takes them until an operator readmits them.

A site that cheats, or whose memory or software is broken, cannot open a sum; it can only make sums fail, and would do
so in every round. So it is left out at once, in the retries of the round that it spoilt and in every later session of
the deployment, and everybody is told; coming back is a person's decision. Leaving it out for one round was rejected: it
would spoil every second one. So was revoking it: its key and its approvals are still its own.

What a site signed proves `bad-share` and `bad-dealer`. A share that is wrong when it is dealt is sealed for its
receiver, and nothing that the receiver could show the coordinator would prove it without opening what is sealed. Those
receivers accuse: of a cohort of n the roster assumes that c may lie, so what more than c sites say, an honest one says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from autoglm_coordinator.store.api import BlameRecord, Store
from autoglm_core.errors import AutoglmError, Kind
from autoglm_core.privacy.blame import BlameCode

if TYPE_CHECKING:
    from autoglm_core.clock import Clock
    from autoglm_core.privacy.roster import Roster
    from autoglm_core.privacy.session_spec import SessionSpec


class SitesBarred(AutoglmError):
    """Without the sites that broke the secure sum too few are left. `barred`: their names, with how."""

    code = "sites-barred"
    kind = Kind.CONFLICT

    def __init__(self, *, barred: str, left: int, required: int) -> None:
        super().__init__(
            f"{barred} broke the secure sum and is left out of it, and {left} sites are left where {required} are "
            "needed: find out why with its administrator, run `autoglm agents --readmit NAME`, submit with --again",
            barred=barred,
            left=left,
            required=required,
        )


class Blames:
    """Who may take part in no session now. In memory as the store has it: `load` before anything else."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._barred: dict[str, str] = {}

    async def load(self) -> None:
        """Read what stands from the store."""
        self._barred = {entry.agent_id: entry.code for entry in await self._store.blames() if entry.readmitted is None}

    @property
    def barred(self) -> Mapping[str, str]:
        """Agent id -> code of the latest blame that stands."""
        return self._barred

    async def put(self, spec: SessionSpec, site: str, code: BlameCode) -> None:
        """Blame `site` for the session of `spec`; returns when that is durable."""
        record = BlameRecord(
            session_id=spec.session_id,
            agent_id=site,
            study_id=spec.study_id,
            trial=spec.trial,
            round=spec.round,
            purpose=str(spec.purpose),
            code=str(code),
            blamed=self._clock.now(),
        )
        await self._store.put_blame(record)
        self._barred[site] = record.code

    async def readmit(self, agent_id: str) -> None:
        """Let a site take part again. Raises `UnknownAgent`."""
        await self._store.readmit(agent_id, self._clock.now())
        self._barred.pop(agent_id, None)

    def named(self, sites: Iterable[str], roster: Roster) -> str:
        """The barred ones of `sites`, for people: `va (bad-dealer), zurich (accused)`."""
        return ", ".join(f"{roster.site(site).name} ({self._barred[site]})" for site in sites if site in self._barred)


class Verdicts:
    """Who is found to be to blame in one session."""

    def __init__(self, spec: SessionSpec, roster: Roster, blames: Blames) -> None:
        self._spec = spec
        self._roster = roster
        self._blames = blames
        self._accusers: dict[str, set[str]] = {}
        self._found: list[str] = []
        self.survivors: tuple[str, ...] = ()
        """Once they are fixed."""

    @property
    def named(self) -> str:
        """As `Blames.named`; empty where nobody is to blame."""
        return self._blames.named(self._found, self._roster)

    @property
    def repeatable(self) -> bool:
        """Whether the same sum may still be opened: not where shares went out for one with a barred site in it.

        Sites release for a model once, or over the same survivors again.
        """
        return not set(self._found) & set(self.survivors)

    async def blame(self, site: str, code: BlameCode) -> None:
        """`site` is to blame; durable when this returns."""
        if site not in self._found:
            self._found.append(site)
            await self._blames.put(self._spec, site, code)

    async def accuse(self, accuser: str, site: str) -> None:
        """`accuser` says that `site` dealt it a wrong share."""
        if site not in self._spec.cohort or site == accuser:
            return
        accusers = self._accusers.setdefault(site, set())
        accusers.add(accuser)
        if len(accusers) > self._spec.colluders:
            await self.blame(site, BlameCode.ACCUSED)
