"""Sites for tests of the agent: a study without real work, a roster, and joined agents in folders of their own."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from autoglm_agent.config import AgentConfig, Approval, DataSource, PolicyConfig
from autoglm_agent.incoming import SessionOffered
from autoglm_agent.ledger import Ledger, StudyState
from autoglm_agent.state import StateFolder
from autoglm_compression.updates.pattern import lanes_for
from autoglm_core.canonical import canonical_json, digest
from autoglm_core.measurement import Split
from autoglm_core.parse_study import WorkloadFacts, parse_study
from autoglm_core.privacy.keys import SiteKey
from autoglm_core.privacy.ring import levels_for
from autoglm_core.privacy.roster import Roster, RosterSite
from autoglm_core.privacy.session_spec import SUITE, Purpose, SessionSpec
from autoglm_core.session_counters import session_counters
from autoglm_core.study import Study
from autoglm_core.task import Manifest, ManifestItem, TaskId
from autoglm_protos.enroll import Enrolled
from autoglm_protos.tls import Credentials
from autoglm_workloads.registry import load_workload
from autoglm_workloads.synthetic import WORKLOAD

STUDY_ID = "toy-1"
PARAMETERS = 2000
SITES = ("site-a", "site-b", "site-c", "site-d")
LEASE = timedelta(seconds=30)
SIMULATED = PolicyConfig(approval=Approval.SIMULATED)


def toy_study(**changes: object) -> Study:
    """One TUNE of the synthetic workload."""
    declared = {
        "name": "toy",
        "workload": "synthetic",
        "data": "nothing",
        "model": {"name": "vector", "options": {"parameters": PARAMETERS}},
        "schema": {"form": "image", "height": 1, "width": 1, "channels": 1, "scale": 1, "classes": ["a", "b"]},
        "search": {"tune": {"learning_rate": [0.1, 0.2]}, "deploy": {"threads": [1]}},
        "objectives": {"loss": "minimize"},
        "rounds": 3,
        "budget": {"trials": 2},
    }
    return parse_study({**declared, **changes}, WorkloadFacts(version=WORKLOAD.version))


@dataclass(frozen=True)
class Site:
    """One joined agent."""

    config: AgentConfig
    key: SiteKey

    @property
    def state(self) -> StateFolder:
        return StateFolder(self.config.state)

    @property
    def name(self) -> str:
        return self.config.name


def make_site(
    root: Path,
    name: str,
    *,
    credentials: Credentials | None = None,
    address: str = "127.0.0.1:1",
    policy: PolicyConfig = SIMULATED,
    data: tuple[str, str] = ("nothing", "synthetic"),
    rows: bytes | None = b"",
) -> Site:
    """An agent that has joined as `name`, with its file of `rows` (None: missing) and its folder."""
    folder = root / name
    folder.mkdir(parents=True)
    if rows is not None:
        (folder / "rows").write_bytes(rows)
    config = AgentConfig(
        name=name,
        state=folder / "state",
        data={data[0]: DataSource(data[0], folder / "rows", data[1])},
        policy=policy,
    )
    state = StateFolder(config.state)
    key = state.prepare()
    shown = credentials or Credentials(b"key", b"-----BEGIN CERTIFICATE-----", b"ca")
    state.keep(Enrolled(name, shown, address, address))
    return Site(config, key)


def roster_of(sites: list[Site]) -> Roster:
    entries = tuple(RosterSite(site.name, site.name, site.key.public.raw) for site in sites)
    return Roster(1, "test", tuple(sorted(entries, key=lambda entry: entry.site_id)))


def parameters_manifest(model: bytes, *, learning_rate: float = 0.1, split: Split = Split.TRAIN) -> Manifest:
    """One model of the toy study, with constants as four sites would have summed them."""
    study = toy_study()
    tune = replace(study.space.reference(), tune={"learning_rate": learning_rate}, deploy={})
    constants = tuple([400] * WORKLOAD.model_side.constants_layout(study).size)
    return Manifest((ManifestItem("m", digest(model), "parameters", tune),), split, constants, "ab" * 32)


def make_spec(manifest: Manifest, roster: Roster, study: Study, *, purpose: Purpose = Purpose.TRAIN) -> SessionSpec:
    """What an honest coordinator offers."""
    cohort = tuple(site.site_id for site in roster.sites)
    counters = session_counters(load_workload(study.workload).model_side, study, purpose, manifest)
    dimension = PARAMETERS if purpose is Purpose.TRAIN else 0
    return SessionSpec(
        suite=SUITE,
        roster_hash=roster.hash,
        cohort=cohort,
        threshold=roster.threshold(len(cohort)),
        minimum_cohort=study.protection.minimum_cohort,
        colluders=roster.colluders_for(len(cohort)),
        store_epoch=5,
        session_id=os.urandom(32),
        study_id=STUDY_ID,
        study_hash=study.hash,
        trial="t",
        round=1,
        attempt=1,
        purpose=purpose,
        models=tuple(item.artifact for item in manifest.items),
        manifest_hash=manifest.hash,
        configuration=canonical_json([item.configuration.to_json() for item in manifest.items]),
        workload=study.workload,
        workload_version=study.workload_version,
        counters=canonical_json(counters.to_json()),
        parameters=lanes_for(dimension, study.protection.random_k),
        dimension=dimension,
        clip=study.protection.clip,
        levels=levels_for(len(cohort), study.protection.ring_bits),
        ring_bits=study.protection.ring_bits,
        weight_cap=400,
        masked=study.protection.secure_sum,
    )


def offer_of(spec: SessionSpec, manifest: Manifest, *, sequence: int = 1) -> SessionOffered:
    task = TaskId(spec.study_id, spec.trial, spec.round, spec.attempt, sequence)
    return SessionOffered(task, LEASE, spec.encode(), manifest.encode())


def approve(ledger: Ledger, study: Study, roster: Roster) -> None:
    """As after an administrator's yes to the roster and the study."""
    ledger.offer_roster(roster.hash, roster.encode())
    ledger.accept_roster(roster.hash)
    body = canonical_json(study.to_json())
    ledger.offer_study(STUDY_ID, study_hash=study.hash, body=body, roster_hash=roster.hash)
    ledger.decide(STUDY_ID, StudyState.APPROVED)
