"""`autoglm-agent data check`: a dataset as each study that names it would read it.

What is printed here stays on the administrator's terminal, so it may name a column; errors, logs and messages must not.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoglm_agent.children import Children
from autoglm_agent.config import AgentConfig
from autoglm_agent.state import StateFolder
from autoglm_core.canonical import json_digest
from autoglm_core.codes import refusal_of
from autoglm_core.errors import RemoteError
from autoglm_core.schema import Schema, TableSchema, TasksSchema, TextSchema

if TYPE_CHECKING:
    from autoglm_core.study import Study


@dataclass(frozen=True)
class Reading:
    """One way to read a dataset. `titles`: of the studies that read it so; `study`: one of them."""

    titles: tuple[str, ...]
    study: Study

    async def check(self, config: AgentConfig) -> bool:
        """Read the rows and print what was found; whether they can be used."""
        children = Children(config, crash_log=StateFolder(config.state).path / "check-crash.log")
        head, schema = f"{self.study.data}  {', '.join(self.titles)}", self.study.schema
        try:
            report = await children.try_data(self.study)
        except Exception as error:
            # Here, at the site, the error's own words may be read; only the code would leave.
            print(f"{head}: {refusal_of(error)}, expected schema {schema.hash[:8]}: {error}{_column(error, schema)}")
            return False
        finally:
            await children.close()
        print(f"{head}: schema {schema.hash[:8]}, rows: enough. Leaves the site: name, schema hash.")
        for line in report:
            print(f"  {line}")
        return True


def readings(named: Iterable[tuple[str, Study]]) -> list[Reading]:
    """The ways in which studies, each behind its title, read the rows: one reading serves all that read alike."""
    alike: dict[Hashable, list[tuple[str, Study]]] = {}
    for title, study in named:
        alike.setdefault(_way(study), []).append((title, study))
    return [Reading(tuple(title for title, _ in group), group[0][1]) for group in alike.values()]


def _way(study: Study) -> Hashable:
    """All of a study that a workload's `load` depends on."""
    return study.schema.hash, study.workload, json_digest(dict(study.model_options)), study.split


def _column(error: Exception, schema: Schema) -> str:
    """The name of the column that the error counts; quoted, for it is a stranger's word on a terminal."""
    if not isinstance(error, RemoteError) or error.remote_code != "data-mismatch":
        return ""
    names = _columns(schema, str(error.data.get("part", "")))
    place = error.data.get("column", 0)
    return f" (column {names[place - 1]!r})" if isinstance(place, int) and 1 <= place <= len(names) else ""


def _columns(schema: Schema, part: str) -> tuple[str, ...]:
    """In the order in which errors count them; `part` begins with the name of a task where there are several."""
    match schema:
        case TableSchema():
            return tuple(column.name for column in schema.columns)
        case TextSchema():
            return schema.used
        case TasksSchema():
            task = part.partition(" ")[0]
            return next((own.used for name, own in schema if name == task), ())
        case _:
            return ()
