"""What a deployment must have for a study, asked when the study is submitted and not in its first round."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from autoglm_coordinator.federation.blame import SitesBarred
from autoglm_coordinator.sampler.registry import check_sampler
from autoglm_core.errors import Conflict, InvalidInput, NotFound
from autoglm_core.privacy.ring import levels_for
from autoglm_core.protection import fewest_survivors, minimum_cohort
from autoglm_core.study_metrics import check_metrics
from autoglm_workloads.fitness import check_aggregation
from autoglm_workloads.models.needed import needed_model
from autoglm_workloads.registry import load_workload

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoglm_coordinator.federation.blame import Blames
    from autoglm_coordinator.federation.fleet import Fleet
    from autoglm_core.canonical import Json
    from autoglm_core.privacy.roster import Roster
    from autoglm_core.study import Study

FEWEST_LEVELS = 16
"""Steps between 0 and the clip that an average site's weights must have left: with fewer, rounding is all they tell."""


class NoSite(NotFound):
    """No site of the roster declares the study's data."""

    code = "no-site"

    def __init__(self, *, data: str, workload: str, sites: int, required: int) -> None:
        super().__init__(
            f"{sites} sites of the roster declare data {data!r} for {workload}, and the study needs {required}: "
            f"add [data.{data}] to the agents' agent.toml, or correct `data` in the study",
            data=data,
            workload=workload,
            sites=sites,
            required=required,
        )


class NoDevice(NotFound):
    """A device class of the study has no agent."""

    code = "unknown-device-class"

    def __init__(self, *, device_class: str, known: str) -> None:
        super().__init__(
            f"no connected agent is of device class {device_class!r} (there are: {known or 'none'}): "
            "correct `device_classes`, or start an agent with that [device] class",
            device_class=device_class,
            known=known,
        )


class OtherWorkloadVersion(InvalidInput):
    """A study was declared for another version of its workload."""

    code = "other-workload-version"

    def __init__(self, *, workload: str, declared: int, installed: int) -> None:
        super().__init__(
            f"the study was declared for version {declared} of {workload}, and this coordinator has {installed}: "
            "submit it with the `autoglm` of the coordinator's version",
            workload=workload,
            declared=declared,
            installed=installed,
        )


class RosterNotAccepted(Conflict):
    """Sites whose data the study is about have not accepted the roster in force. `sites`: their names."""

    code = "roster-not-accepted"

    def __init__(self, *, sites: str, roster: str) -> None:
        super().__init__(
            f"{sites} did not accept roster {roster} yet, and nothing can be summed without: "
            f"each administrator runs `autoglm-agent roster accept {roster}`",
            sites=sites,
            roster=roster,
        )


class ProtectionUnmet(Conflict):
    """A study asks for a protection that this deployment cannot give. `setting`: the key under `protection`."""

    code = "protection-unmet"

    def __init__(self, *, setting: str, reason: str, change: str) -> None:
        super().__init__(f"protection.{setting}: {reason}: {change}", setting=setting, reason=reason)


def wanted_agents(study: Study, roster: Roster, *, fleet: Fleet, blames: Blames) -> Json:
    """Whose yes the study needs: connected sites of the roster with its data, and devices of its classes.

    Raises:
        SitesBarred: too few sites are left without those that broke the secure sum.
    """
    facts = fleet.facts()
    members, declared = {site.site_id for site in roster.sites}, (study.data, study.workload)
    sites = [entry.agent_id for entry in facts if entry.agent_id in members and declared in entry.data]
    trusted = [site for site in sites if site not in blames.barred]
    required = fewest_survivors(study, roster, sites=len(trusted))
    if len(trusted) < len(sites) and len(trusted) < required:
        raise SitesBarred(barred=blames.named(sites, roster), left=len(trusted), required=required)
    return {
        "sites": trusted,
        "devices": {
            name: [entry.agent_id for entry in facts if entry.device_class == name] for name in study.device_classes
        },
    }


async def verify_model(study: Study) -> None:
    """Hash the files of the study's language model, if it names one, off the loop.

    Raises:
        ModelMissing, ModelDamaged: this coordinator's shelf has it not, or not whole.
    """
    needed = needed_model(study)
    if needed is not None:
        needed.require(program="autoglm-coordinator")
        await asyncio.to_thread(needed.verify)


def check_study(study: Study, roster: Roster, wanted: Json, *, fleet: Fleet) -> None:
    """Raise the first reason why the deployment cannot run `study` with the agents in `wanted`."""
    _check_workload(study)
    _check_cohort(study, roster)
    required = minimum_cohort(study, roster)
    if len(wanted["sites"]) < required:
        raise NoSite(data=study.data, workload=study.workload, sites=len(wanted["sites"]), required=required)
    check_protection(study, roster, sites=len(wanted["sites"]))
    known = sorted({entry.device_class for entry in fleet.facts() if entry.device_class})
    for device_class in study.device_classes:
        if device_class not in known:
            raise NoDevice(device_class=device_class, known=", ".join(known))


def _check_workload(study: Study) -> None:
    workload = load_workload(study.workload)
    if study.workload_version != workload.version:
        raise OtherWorkloadVersion(workload=study.workload, declared=study.workload_version, installed=workload.version)
    workload.model_side.check(study)
    check_metrics(study, workload.model_side.metrics(study))
    check_sampler(study)
    check_aggregation(study)
    dimension = workload.model_side.layout(study, study.reference_configuration.tune).size
    if study.protection.random_k * dimension < 1:
        raise ProtectionUnmet(
            setting="random_k",
            reason=f"{study.protection.random_k:g} of the reference model's {dimension} weights is less than one",
            change=f"ask for {1 / dimension:.2g} at least",
        )


def _check_cohort(study: Study, roster: Roster) -> None:
    asked = study.protection.minimum_cohort
    if asked > len(roster.sites):
        raise ProtectionUnmet(
            setting="minimum_cohort",
            reason=f"{asked} sites are asked for, and the roster has {len(roster.sites)}",
            change="lower it, or let more sites join and propose a new roster",
        )


def check_protection(study: Study, roster: Roster, *, sites: int) -> None:
    """Raise `ProtectionUnmet` where `sites` sites cannot have what the study and the roster ask for."""
    protection = study.protection
    if protection.secure_sum and roster.threshold(sites) > sites:
        raise ProtectionUnmet(
            setting="secure_sum",
            reason=f"{sites} sites of which {roster.colluders_for(sites)} are assumed to collude "
            f"cannot reach the threshold {roster.threshold(sites)}",
            change="let more sites take part, or propose a roster with fewer `--colluders`",
        )
    levels = levels_for(sites, protection.ring_bits) // sites
    if levels < FEWEST_LEVELS:
        raise ProtectionUnmet(
            setting="ring_bits",
            reason=f"with {sites} sites a ring of {protection.ring_bits} bits leaves {levels} levels to a site's "
            f"weights, and {FEWEST_LEVELS} are the fewest",
            change="ask for 32",
        )


def require_accepted(roster: Roster, sites: Iterable[str], accepted: Iterable[str]) -> None:
    """Raise `RosterNotAccepted` unless all of `sites` are among those who `accepted` the roster."""
    missing = sorted(set(sites) - set(accepted))
    if missing:
        names = ", ".join(roster.site(site).name for site in missing)
        raise RosterNotAccepted(sites=names, roster=roster.hash[:16])
