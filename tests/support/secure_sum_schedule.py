"""Sessions under random schedules, each from one number: anything may happen at any moment, as the seed has it.

Messages come in any order, some twice, some of slow sites long after the others. Sites die, connections break and take
messages with them, deadlines strike those who were about to answer, and once the survivors are durable the coordinator
dies too, between any two of its instructions, and another one goes on from what was stored. What a session must end in
is known from what reached the coordinator, by `Tally`.
"""

# ruff: noqa: S311 - seeded on purpose

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from autoglm_core.privacy import coordinator_events as at_coordinator
from autoglm_core.privacy import site_events as at_site
from autoglm_core.privacy.coordinator_session import CoordinatorSession
from autoglm_core.privacy.ring import levels_for
from autoglm_core.privacy.vectors import MaskedVector
from support.secure_sum_checks import require_end, require_honest, require_nothing_released
from support.secure_sum_oracle import End, Sum, Tally
from support.secure_sum_wire import SPEAKS_IN, Deployment, Pending, Step, Where, Wire, inputs_for

MOST_SITES = 100
STEPS_A_SITE = 12
"""About as many steps a session takes for each of its sites."""
DISK = ""
"""Stands for the coordinator's own disk where a site's name is asked for."""


@dataclass(frozen=True)
class Incident:
    """Something that happens once, as soon as `after` steps are over and it is `due`."""

    after: int
    due: Callable[[], bool]
    happens: Step


class Schedule(Wire):
    """One session and what befalls it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.tally = Tally(self.spec.cohort, minimum=self.spec.minimum_cohort)
        self.dead: set[str] = set()
        self.cut: set[str] = set()
        """Sites whose connection broke at least once: they may wait for what never comes."""
        self.resumed = 0
        self._dying = False
        spare = len(self.spec.cohort) - self.spec.needed
        self._slow = {DISK, *self.order.sample(self.spec.cohort, self.order.randint(0, 1 + spare))}
        self._incidents = self._drawn(spare)

    def _drawn(self, spare: int) -> list[Incident]:
        order, cohort = self.order, self.spec.cohort
        unlucky = iter(order.sample(cohort, min(len(cohort), 2 * spare + 4)))

        def some(most: int, happens: Step, due: Callable[[], bool] = lambda: True) -> list[Incident]:
            moments = (order.randrange(STEPS_A_SITE * len(cohort)) for _ in range(order.randint(0, most)))
            return [Incident(after, due, happens) for after in moments]

        few = order.randint(1, 1 + spare)
        return [
            *some(spare + 1, lambda: self._die(next(unlucky))),
            *some(1 + spare // 3, lambda: self._break(next(unlucky))),
            *some(2, self._deadline, lambda: len(self.coordinator.waiting) <= few),
            *some(3, self._let_die, lambda: self.stored is not None),
        ]

    def run(self) -> at_coordinator.Completed | at_coordinator.Aborted:
        """Until there is an outcome and nothing is under way; a session in which nobody is waited for hangs."""
        self.begin()
        steps = 0
        while self.pending or self.outcome is None:
            self._befall(steps)
            if self.pending:
                self._take(self._next())
            elif self.outcome is None:
                self._end_phase()
            steps += 1
        assert self.outcome is not None
        return self.outcome

    def begin(self) -> None:
        """Offers are out, sites start; each has its input some time later."""
        self.late_input = False
        self.feed(at_coordinator.Opened())
        for site in self.spec.cohort:
            self.tell(site, at_site.Start())
            self.pending.append(Pending(site, self._input_of(site), Where.SITE))

    def tell(self, site: str, event: at_site.SiteEvent) -> list[at_site.SiteInstruction]:
        """What a dead site is told has no effect."""
        return [] if site in self.dead else super().tell(site, event)

    def feed(self, event: at_coordinator.CoordinatorEvent) -> list[at_coordinator.CoordinatorInstruction]:
        """One event at the coordinator, which may die before it carries all of its instructions out."""
        self._count(event)
        instructions = self.coordinator.handle(event)
        assert self.tally.waiting == set(self.coordinator.waiting), f"waits for others after {type(event).__name__}"
        for instruction in instructions:
            if self._dies_now():
                self._resume()
                break
            self._obey(instruction)
        return instructions

    def _input_of(self, site: str) -> Step:
        return lambda: self.tell(site, at_site.InputReady(self.inputs[site]))

    def _survivors_stored(self) -> None:
        self.pending.append(Pending(DISK, lambda: self.feed(at_coordinator.Persisted()), Where.COORDINATOR))

    def _count(self, event: at_coordinator.CoordinatorEvent) -> None:
        match event:
            case at_coordinator.Received(site_id=site, message=message):
                self.tally.answered(site, SPEAKS_IN[message.kind].name)
            case at_coordinator.MaskedArrived(site_id=site):
                self.tally.answered(site, "MASK")
            case at_coordinator.SiteLost(site_id=site):
                self.tally.lost(site)
            case at_coordinator.Deadline():
                self.tally.deadline()
            case at_coordinator.Persisted():
                self.tally.durable()

    def _next(self) -> Pending:
        """Any step; one of a slow site mostly only when nothing else comes up."""
        for _ in range(8):
            self.pending.rotate(self.order.randrange(len(self.pending)))
            if self.pending[0].site not in self._slow or self.order.random() < 0.1:
                break
        return self.pending.popleft()

    def _befall(self, steps: int) -> None:
        for incident in list(self._incidents):
            if self.outcome is None and steps >= incident.after and incident.due():
                self._incidents.remove(incident)
                incident.happens()
        if self._dies_now():
            self._resume()

    def _die(self, site: str) -> None:
        """A site's process ends; somebody may notice."""
        self.dead.add(site)
        self._lose_messages(site)
        if self.order.random() < 0.5:
            self.pending.append(Pending(site, lambda: self._lose(site), Where.COORDINATOR))

    def _break(self, site: str) -> None:
        """A connection ends: a site that sent no vector yet gives up, another may be asked again."""
        self.cut.add(site)
        self._lose_messages(site)
        if self.sites[site].state in ("Advertised", "Shared", "Ready"):
            self.sites[site].handle(at_site.Abort("cancelled"))
        self.pending.append(Pending(site, lambda: self._lose(site), Where.COORDINATOR))

    def _deadline(self) -> None:
        self.feed(at_coordinator.Deadline())

    def _let_die(self) -> None:
        self._dying = True

    def _dies_now(self) -> bool:
        return self._dying and self.outcome is None and self.order.random() < 0.3

    def _resume(self) -> None:
        """The coordinator's memory is gone, and messages with it; another one goes on from the store."""
        assert self.stored is not None
        self._dying = False
        self.resumed += 1
        self._lose_messages()
        self.pending = type(self.pending)(one for one in self.pending if one.where is not Where.COORDINATOR)
        self.coordinator = CoordinatorSession.resume(
            self.spec,
            self.deployment.roster,
            record=self.stored.record,
            running=MaskedVector.from_bytes(self.spec.layout, bytearray(self.stored_running)),
            unmasked=self.stored_shares,
        )
        self.tally.resumed(site for site, _ in self.stored_shares)
        self.feed(at_coordinator.Opened())

    def _lose_messages(self, site: str | None = None) -> None:
        """About half of what is under way, of one site or of all, is never delivered."""
        self.pending = type(self.pending)(
            one
            for one in self.pending
            if one.where is not Where.NETWORK or site not in (None, one.site) or self.order.random() < 0.5
        )


def play(seed: int, *, sites: int | None = None) -> tuple[End, int]:
    """Run schedule `seed`, over 3 to 100 sites or as many as `sites` says.

    Returns what it had to end in, and did, and how often its coordinator died.

    Raises:
        AssertionError: it did not; says how to run it again.
    """
    order = Random(seed)
    count = sites or round(3 * (MOST_SITES / 3) ** order.random())
    bits = order.choice((16, 32))
    deployment = Deployment.of(count, minimum_cohort=order.choice((3, 3, order.randint(3, count))))
    spec = deployment.spec(
        parameters=order.randint(0, 12), ring_bits=bits, levels=levels_for(count, bits), session_id=order.randbytes(32)
    )
    schedule = Schedule(
        deployment, spec, inputs_for(spec, seed=seed), seed=seed, duplicates=order.choice((0.0, 0.1, 0.4))
    )
    try:
        schedule.run()
        require_laws(schedule)
    except Exception as error:
        raise AssertionError(f"secure_sum_schedule.play({seed}, sites={sites}): {error!r}") from error
    assert schedule.tally.end is not None
    return schedule.tally.end, schedule.resumed


def require_laws(schedule: Schedule) -> None:
    """The session ended as it must, and left no survivor waiting that could be told."""
    end = schedule.tally.end
    assert end is not None
    require_end(schedule, end)
    require_honest(schedule)
    if not schedule.resumed:
        require_nothing_released(schedule, end)
    if isinstance(end, Sum):
        for site in end.survivors - schedule.dead - schedule.cut:
            assert schedule.sites[site].state == "Finished", f"{site} is left in {schedule.sites[site].state}"
