"""Errors of the command line and of `simulate`: each tells what to change."""

from __future__ import annotations

from autoglm_core.errors import AutoglmError, Conflict, InvalidInput, Kind, NotFound


class NotLoggedIn(AutoglmError):
    """The command line holds no operator certificate."""

    code = "not-logged-in"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("no operator certificate here: run `autoglm login TOKEN` first")


class OperatorExpired(AutoglmError):
    """The operator's certificate ran out."""

    code = "operator-expired"
    kind = Kind.UNAUTHENTICATED

    def __init__(self, *, expired: str) -> None:
        super().__init__(
            f"the operator certificate ran out at {expired}: ask another operator for "
            "`autoglm join-token NAME --operator`, then run `autoglm login TOKEN`",
            expired=expired,
        )


class CoordinatorUnreachable(AutoglmError):
    """Nothing answered at the coordinator's address."""

    code = "coordinator-unreachable"
    kind = Kind.UNAVAILABLE

    def __init__(self, *, address: str) -> None:
        super().__init__(
            f"no coordinator answers at {address}: is `autoglm-coordinator run` running, is the port open, "
            "and is your certificate from this coordinator (`autoglm login`)?",
            address=address,
        )


class ProgramMissing(NotFound):
    """A daemon that `simulate` starts is not installed."""

    code = "program-missing"

    def __init__(self, *, program: str) -> None:
        super().__init__(f"{program} is not installed here: pip install 'autoglm[all]'", program=program)


class ExtraMissing(NotFound):
    """A package of an extra is needed and not installed."""

    code = "extra-missing"

    def __init__(self, *, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is needed for this and not installed: pip install 'autoglm[{extra}]'",
            package=package,
            extra=extra,
        )


class DaemonEnded(AutoglmError):
    """A daemon that `simulate` started ended by itself."""

    code = "daemon-ended"
    kind = Kind.ABORTED

    def __init__(self, *, name: str, exit_code: int, last_line: str, log: str = "") -> None:
        place = f" (all of it: {log})" if log else ""
        super().__init__(
            f"{name} ended with code {exit_code}: {last_line or 'it said nothing'}{place}",
            name=name,
            exit_code=exit_code,
        )


class NotReady(AutoglmError):
    """Something did not become ready in the time it had."""

    code = "not-ready"
    kind = Kind.UNAVAILABLE

    def __init__(self, *, what: str, seconds: float) -> None:
        super().__init__(f"{what} was not ready after {seconds:.0f} s", what=what, seconds=seconds)


class OtherStudyInFolder(Conflict):
    """The folder holds the run of another study."""

    code = "other-study-in-folder"

    def __init__(self, *, folder: str) -> None:
        super().__init__(
            f"{folder} holds a run of another study, seed or split: name another folder with --out, or remove it",
            folder=folder,
        )


class FolderInUse(Conflict):
    """Another `simulate` works in the folder."""

    code = "folder-in-use"

    def __init__(self, *, folder: str) -> None:
        super().__init__(f"another `autoglm simulate` works in {folder}: wait for it or stop it", folder=folder)


class NothingToSimulate(InvalidInput):
    """The study has no `simulate` section."""

    code = "nothing-to-simulate"

    def __init__(self) -> None:
        super().__init__("the study has no `simulate` section: add one with sites and devices, or use `autoglm submit`")


class UnknownDataset(InvalidInput):
    """`simulate` can split no dataset of that name."""

    code = "unknown-dataset"

    def __init__(self, *, data: str, known: str) -> None:
        super().__init__(
            f"simulate cannot split {data!r} over sites; it knows {known}. "
            "For own files name one for each site under simulate.sites.files",
            data=data,
        )


class ColumnMissing(InvalidInput):
    """Sites shall be what a column names, and the data has no columns."""

    code = "column-missing"

    def __init__(self, *, column: str) -> None:
        super().__init__(
            f"no column {column!r}: a bundled dataset is split by dirichlet or iid, see simulate.sites.split",
            column=column,
        )


class TextsMissing(NotFound):
    """The texts that `simulate` shall deal out to sites are not there."""

    code = "texts-missing"

    def __init__(self, *, path: str) -> None:
        super().__init__(f"there is nothing at {path}: correct simulate.sites.data", path=path)


class TooFewSites(InvalidInput):
    """A column holds fewer values than there shall be sites."""

    code = "too-few-sites"

    def __init__(self, *, found: int, sites: int) -> None:
        super().__init__(
            f"the column holds {found} values with training rows, fewer than {sites} sites: lower simulate.sites.count",
            found=found,
            sites=sites,
        )


class SiteFileMissing(NotFound):
    """A file that `simulate` shall give to a site does not exist."""

    code = "site-file-missing"

    def __init__(self, *, site: str, path: str) -> None:
        super().__init__(f"the file of site {site} does not exist: {path}", site=site)


class TooFewCores(InvalidInput):
    """A simulated device wants more processors than there are."""

    code = "too-few-cores"

    def __init__(self, *, device_class: str, wanted: int, present: int) -> None:
        super().__init__(
            f"device class {device_class} wants {wanted} processors and this machine has {present}: "
            "lower simulate.devices",
            device_class=device_class,
            wanted=wanted,
            present=present,
        )


class StudyFailed(AutoglmError):
    """A study ended without a result."""

    code = "study-failed"
    kind = Kind.ABORTED

    def __init__(self, *, study_id: str, reason: str) -> None:
        super().__init__(f"{study_id} failed: {reason}", study_id=study_id)


class UnknownTrial(NotFound):
    """The study has no trial of that number."""

    code = "unknown-trial"

    def __init__(self, *, trial: int, count: int) -> None:
        super().__init__(f"there is no trial {trial}; the study has {count}", trial=trial, count=count)


class UnknownFront(NotFound):
    """The study has no front for that device class."""

    code = "unknown-front"

    def __init__(self, *, device_class: str, known: str) -> None:
        super().__init__(
            f"no front for device class {device_class!r}; the study has {known}", device_class=device_class
        )


class UnreadableResult(InvalidInput):
    """A result is not of a form that this version reads."""

    code = "unreadable-result"

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"the result cannot be read: {reason}", reason=reason)


class BadPick(InvalidInput):
    """The files of a pick came in a form that is not accepted."""

    code = "bad-pick"

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"the coordinator's files of the pick are not accepted: {reason}", reason=reason)


class SplitImpossible(InvalidInput):
    """No split gives every site enough rows."""

    code = "split-impossible"

    def __init__(self, *, rows: int, sites: int, smallest: int) -> None:
        super().__init__(
            f"{rows} rows cannot be split so that each of {sites} sites gets {smallest}: "
            "lower simulate.sites.count or raise the dirichlet value",
            rows=rows,
            sites=sites,
            smallest=smallest,
        )


class UnknownAgent(NotFound):
    """No agent has that name, or it is revoked."""

    code = "unknown-agent"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"no agent in force is called {name!r}: `autoglm agents` lists them", name=name)


class UnknownStudy(NotFound):
    """The coordinator has no study of that id."""

    code = "unknown-study"

    def __init__(self, *, study_id: str) -> None:
        super().__init__(f"no study {study_id!r}: `autoglm status` lists them", study_id=study_id)


class CannotWrite(InvalidInput):
    """A file cannot be written where it is asked for."""

    code = "cannot-write"

    def __init__(self, *, path: str, reason: str) -> None:
        super().__init__(f"cannot write {path}: {reason}", path=path)


class RunUnfinished(NotFound):
    """The folder of a run holds no result."""

    code = "run-unfinished"

    def __init__(self, *, folder: str) -> None:
        super().__init__(
            f"no result.json in {folder}: name a finished run, finish it with `autoglm simulate`, "
            "or name a study of the deployment by its id (`autoglm status`)",
            folder=folder,
        )


class TooFewTrials(Conflict):
    """Nothing can be said of the parameters yet."""

    code = "too-few-trials"

    def __init__(self, *, trials: int, needed: int) -> None:
        super().__init__(
            f"{trials} completed and feasible trials are too few to tell which parameters matter: {needed} are needed",
            trials=trials,
            needed=needed,
        )


class OutOfRange(InvalidInput):
    """An option's value cannot be used."""

    code = "option-out-of-range"

    def __init__(self, *, option: str, reason: str) -> None:
        super().__init__(f"{option} {reason}", option=option)
