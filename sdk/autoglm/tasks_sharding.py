"""Texts of several tasks dealt out to simulated sites, each task's by the same rule and for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autoglm.site_splits import DirichletSplit, IidSplit
from autoglm.text_sharding import TextShard, shard_texts
from autoglm_core.tasks_schema import TasksSchema


@dataclass(frozen=True)
class TasksShard:
    """The texts of the site `name`, by task."""

    name: str
    tasks: Mapping[str, TextShard]

    def write(self, path: Path) -> Path:
        """Write them into the folder `path`, an entry for each task."""
        path.mkdir(parents=True, exist_ok=True)
        for task, shard in self.tasks.items():
            shard.write(path / task)
        return path


def shard_tasks(
    data: Mapping[str, Path], schema: TasksSchema, *, split: DirichletSplit | IidSplit, sites: int
) -> list[TasksShard]:
    """The sites' shares of `data`, a file or folder by task.

    Raises:
        TextsMissing: a path leads nowhere.
        DataError: a file cannot be read with its task's schema.
        SplitImpossible: the rows of a task do not suffice for so many sites.
    """
    dealt = {task: shard_texts({"": data[task]}, own, split=split, sites=sites) for task, own in schema}
    return [
        TasksShard(f"site-{site}", {task: shards[site - 1] for task, shards in dealt.items()})
        for site in range(1, sites + 1)
    ]
