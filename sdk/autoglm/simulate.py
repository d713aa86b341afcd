"""`autoglm simulate`: one study over real daemons on this machine, from nothing to the written front.

The only shortcut against a real deployment is that one program plays operator and every administrator. Whatever is
interrupted is resumed by the same command: the folder remembers the deployment, the coordinator remembers the study.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autoglm.errors import ColumnMissing, NothingToSimulate, StudyFailed
from autoglm.pick_archive import write_whole
from autoglm.progress import Progress, ProgressView
from autoglm.results import Result
from autoglm.run_folder import RunFolder
from autoglm.sharding import dirichlet_split, iid_split, load_bundled, take
from autoglm.simulate_spec import SimulateSpec
from autoglm.simulated_agents import SimulatedDevice, SimulatedSite, choose_processors, prepare_device, prepare_site
from autoglm.simulated_deployment import AgentFiles, SimulatedDeployment
from autoglm.site_splits import ColumnSplit, DirichletSplit, IidSplit, NaturalSplit
from autoglm.tasks_sharding import shard_tasks
from autoglm.text_sharding import shard_texts
from autoglm_core.canonical import Json, canonical_json
from autoglm_core.study import Study
from autoglm_core.tasks_schema import TasksSchema
from autoglm_core.text_schema import TextSchema

if TYPE_CHECKING:
    from autoglm.study_file import StudyFile

ENDED_WELL = frozenset({"completed", "stopped"})


@dataclass(frozen=True)
class Simulation:
    """A study with the sites and devices to run it on."""

    study: Study
    spec: SimulateSpec

    @property
    def identity(self) -> Json:
        """What tells it from every other simulation; kept in the run's folder."""
        return {"study": self.study.to_json(), "simulate": self.spec.to_json()}

    def sites(self) -> list[SimulatedSite]:
        """The sites with what each of them holds; texts and bundled datasets are split here.

        Raises:
            UnknownDataset, ColumnMissing, SplitImpossible, TooFewSites, DataError: they cannot be split, or not read.
        """
        split, count = self.spec.split, self.spec.sites
        if isinstance(split, NaturalSplit):
            return [SimulatedSite(name, file=path) for name, path in split.files.items()]
        if isinstance(self.study.schema, TextSchema):
            shards = shard_texts(self.spec.data, self.study.schema, split=split, sites=count)
            return [SimulatedSite(shard.name, texts=shard) for shard in shards]
        if isinstance(self.study.schema, TasksSchema) and not isinstance(split, ColumnSplit):
            tasks = shard_tasks(self.spec.data, self.study.schema, split=split, sites=count)
            return [SimulatedSite(shard.name, texts=shard) for shard in tasks]
        arrays = load_bundled(self.study.data)
        labels = arrays["labels"]
        if isinstance(split, IidSplit):
            rows = iid_split(labels.size, sites=count, seed=split.seed)
        elif isinstance(split, DirichletSplit):
            rows = dirichlet_split(labels, sites=count, alpha=split.alpha, seed=split.seed)
        else:
            raise ColumnMissing(column=split.column)
        return [SimulatedSite(f"site-{number}", arrays=take(arrays, own)) for number, own in enumerate(rows, 1)]

    def devices(self) -> list[SimulatedDevice]:
        """A device of each class.

        Raises:
            TooFewCores: this machine has not the processors.
        """
        return [SimulatedDevice(name, choose_processors(name, count)) for name, count in self.spec.devices.items()]


def simulation_of(file: StudyFile, *, seed: int | None = None, trials: int | None = None) -> Simulation:
    """What `file` says, with another `seed` for split, rows and sampler, or another budget of `trials`.

    Raises:
        NothingToSimulate: the file has no `simulate` section.
    """
    if file.simulate is None:
        raise NothingToSimulate
    study, spec = file.study, file.simulate
    if seed is not None:
        study = replace(study, sampler=replace(study.sampler, seed=seed), split=replace(study.split, seed=seed))
        if isinstance(spec.split, DirichletSplit | IidSplit):
            spec = replace(spec, split=replace(spec.split, seed=seed))
    if trials is not None:
        study = replace(study, budget=replace(study.budget, trials=trials))
    return Simulation(study, spec)


def default_folder(study: Study, seed: int | None) -> Path:
    """`runs/NAME`, apart for each seed that was asked for."""
    return Path("runs") / (study.name if seed is None else f"{study.name}-seed{seed}")


def run(simulation: Simulation, root: Path, view: ProgressView) -> Result:
    """Run `simulation` in the folder `root` to its end; what was finished before is read.

    Raises:
        StudyFailed: the study ended without a result.
        OtherStudyInFolder, FolderInUse: the folder is not free for it.
    """
    folder = RunFolder(root.absolute())
    with folder.claim(simulation.identity):
        if folder.result.exists():
            view.say(f"{root} is finished: this is its result. Remove it to run it again.")
            return Result.load(folder.result)
        agents = prepare_agents(simulation, folder)
        view.say(f"starting a coordinator and {len(agents)} agents in {root}")
        minimum_cohort = simulation.study.protection.minimum_cohort
        with SimulatedDeployment(folder, agents, minimum_cohort=minimum_cohort) as deployment:
            last = _follow(simulation.study, deployment, view)
            if last.state not in ENDED_WELL:
                raise StudyFailed(study_id=last.study_id, reason=last.error or last.error_code or last.state)
            return _collect(last.study_id, deployment, folder)


def prepare_agents(simulation: Simulation, folder: RunFolder) -> list[AgentFiles]:
    """Folders and files of every agent, sites first."""
    devices = [AgentFiles(device.name, prepare_device(device, folder), site=False) for device in simulation.devices()]
    return [
        *(
            AgentFiles(site.name, prepare_site(site, folder, study=simulation.study), site=True)
            for site in simulation.sites()
        ),
        *devices,
    ]


def _follow(study: Study, deployment: SimulatedDeployment, view: ProgressView) -> Progress:
    """Submit, or find what was submitted before, and watch to the end; daemons that end are started again."""
    body = canonical_json(study.to_json())
    submitted = deployment.client.submit(body, idempotency_key=f"simulate-{study.hash}")

    def revive() -> None:
        deployment.revive(view.say)

    last = Progress(study_id=submitted.id, state="submitted")
    for last in deployment.client.watch(submitted.id, while_away=revive):
        view.show(last)
        revive()
    return last


def _collect(study_id: str, deployment: SimulatedDeployment, folder: RunFolder) -> Result:
    """Write the best of each front and what the trials say, then the result."""
    result = Result.parse(deployment.client.result(study_id))
    for device_class, points in result.fronts.items():
        if points:
            folder.write_pick(device_class, deployment.client.pick(study_id, device_class))
    write_whole(folder.importance, deployment.client.importance(study_id))
    write_whole(folder.optuna_journal, deployment.client.optuna_journal(study_id))
    folder.write_result(result.source)
    return result
