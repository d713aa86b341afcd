"""Whole sessions for the published vectors of the secure sum: a transcript of every message.

A session is the real state machines of both halves, fed with entropy that is written down. Messages are delivered in
the order in which they were sent, and a silent site is given up at the deadline, so a transcript is a function of its
inputs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial

from secure_sum_cast import Case, SiteInput, roster_json, spec_json

from autoglm_compression.updates.pattern import pattern_of
from autoglm_core.canonical import Json
from autoglm_core.privacy import coordinator_events as at_coordinator
from autoglm_core.privacy import site_events as at_site
from autoglm_core.privacy.coordinator_session import CoordinatorSession, Phase
from autoglm_core.privacy.messages import Message, MessageKind
from autoglm_core.privacy.ring import dequantize_sum
from autoglm_core.privacy.session_spec import SessionSpec
from autoglm_core.privacy.site_session import SiteSession
from autoglm_core.privacy.vectors import ClearVector

SPOKEN_IN: Mapping[MessageKind, Phase] = {
    MessageKind.ADVERT: Phase.ADVERTISE,
    MessageKind.SHARES: Phase.SHARE,
    MessageKind.MASKED: Phase.MASK,
    MessageKind.SURVIVOR_SIGNATURE: Phase.CONSISTENCY,
    MessageKind.UNMASK: Phase.UNMASK,
}
PHASES = tuple(SPOKEN_IN.values())


class Transcript:
    """One run of a case; `messages` holds all that was said, in order."""

    def __init__(self, case: Case, inputs: Mapping[str, SiteInput], vectors: Mapping[str, ClearVector]) -> None:
        self.case, self.spec, self._vectors = case, case.spec, vectors
        self.messages: list[Json] = []
        self.outcome: at_coordinator.Completed | at_coordinator.Aborted | None = None
        self._coordinator = CoordinatorSession(self.spec, case.roster)
        self._sites = {
            site: SiteSession(
                self.spec, case.roster, site, case.key(site), entropy=own.entropy, allow_unmasked=not self.spec.masked
            )
            for site, own in inputs.items()
        }
        self._pending: deque[Callable[[], None]] = deque()

    def run(self) -> Transcript:
        """Until there is an outcome and nothing is under way."""
        self._feed(at_coordinator.Opened())
        for site in self.spec.cohort:
            self._tell(site, at_site.Start())
        while self.outcome is None or self._pending:
            while self._pending:
                self._pending.popleft()()
            if self.outcome is None:
                self._feed(at_coordinator.Deadline())
        return self

    def _tell(self, site: str, event: at_site.SiteEvent) -> None:
        for instruction in self._sites[site].handle(event):
            match instruction:
                case at_site.Send(message=message):
                    self._say(site, message, at_coordinator.Received(site, message))
                case at_site.UploadMasked(vector=vector, message=message):
                    arrived = at_coordinator.MaskedArrived(site, vector, message)
                    self._say(site, message, arrived, image=vector.to_bytes().hex())
        if self._sites[site].state in ("Ready", "Clear"):
            self._tell(site, at_site.InputReady(self._vectors[site]))

    def _say(self, site: str, message: Message, event: at_coordinator.CoordinatorEvent, **beside: str) -> None:
        silent_from = self.case.silent_from.get(site)
        if silent_from is None or PHASES.index(SPOKEN_IN[message.kind]) < PHASES.index(silent_from):
            self.messages.append({**_record(message), "from": site, **beside})
            self._pending.append(partial(self._feed, event))

    def _feed(self, event: at_coordinator.CoordinatorEvent) -> None:
        said: dict[Message, list[str]] = {}
        for instruction in self._coordinator.handle(event):
            match instruction:
                case at_coordinator.SendTo(site_id=site, message=message):
                    said.setdefault(message, []).append(site)
                    self._pending.append(partial(self._tell, site, at_site.Received(message)))
                case at_coordinator.PersistSurvivors():
                    self._pending.append(partial(self._feed, at_coordinator.Persisted()))
                case at_coordinator.Completed() | at_coordinator.Aborted():
                    self.outcome = instruction
        self.messages += [{**_record(message), "to": sites} for message, sites in said.items()]


def session(case: Case) -> Json:
    """The vector of `case`: inputs, every message, and what came out."""
    inputs = {site: SiteInput(case, site) for site in case.cohort}
    spec, roster = case.spec, case.roster
    vectors = {site: own.vector(spec) for site, own in inputs.items()}
    pattern = pattern_of(spec)
    transcript = Transcript(case, inputs, vectors).run()
    return {
        "about": case.about,
        "roster": roster_json(roster),
        "spec": spec_json(spec),
        "sites": {site: own.to_json() for site, own in inputs.items()},
        "silent_from": {site: str(phase) for site, phase in case.silent_from.items()},
        "pattern": None if pattern is None else pattern.tolist(),
        "messages": transcript.messages,
        "result": _result_json(transcript, spec),
    }


def _record(message: Message) -> Json:
    signature = {"signature": message.signature.hex()} if message.signature else {}
    return {"kind": int(message.kind), "name": message.kind.label, "body": message.body.hex(), **signature}


def _result_json(transcript: Transcript, spec: SessionSpec) -> Json:
    outcome = transcript.outcome
    if not isinstance(outcome, at_coordinator.Completed):
        assert outcome is not None
        return {"abort": outcome.code, **outcome.data}
    result = outcome.result
    weight = int(result.tail_sum[0])
    mean = dequantize_sum(
        result.body_sum, clip=spec.clip, levels=spec.levels, weight_cap=spec.weight_cap, weight_sum=weight
    )
    return {
        "survivors": list(result.survivors),
        "dropped": list(result.dropped),
        "body_sum": result.body_sum.view(f"<i{spec.ring_bits // 8}").tolist(),
        "tail_sum": result.tail_sum.tolist(),
        "mean_delta": mean.tobytes().hex(),
    }
