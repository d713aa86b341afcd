"""What can go wrong around a child, seen from the daemon."""

from __future__ import annotations

from autoglm_core.errors import AutoglmError, InvalidInput, Kind


class ChildDied(AutoglmError):
    """The child ended before it answered; `exit` is its status, negative for a signal."""

    code = "child-died"
    kind = Kind.ABORTED

    def __init__(self, *, task: str, exit: int) -> None:
        cause = f"signal {-exit}" if exit < 0 else f"status {exit}"
        hint = _SIGNALS.get(-exit, "")
        super().__init__(f"the child process ended with {cause} during {task}{hint}", task=task, exit=exit)


_SIGNALS = {
    6: "; with signal 6 a library ends a process that [limits] memory_gb gives no more memory",
    9: "; signal 9 is often the kernel's answer to memory that ran out",
}


class TaskTimedOut(AutoglmError):
    """The child did not answer in time and was killed."""

    code = "task-timed-out"
    kind = Kind.ABORTED

    def __init__(self, *, task: str, seconds: float) -> None:
        super().__init__(
            f"{task} did not finish within {seconds:g} s and there is nothing to set: give it less to read or to "
            "compute, or more processor",
            task=task,
            seconds=seconds,
        )


class ChildClosed(AutoglmError):
    """A call came after `close`."""

    code = "child-closed"
    kind = Kind.CONFLICT

    def __init__(self) -> None:
        super().__init__("the child process was closed and takes no more calls")


class UnknownTask(AutoglmError):
    """The child's table holds no such task."""

    code = "unknown-task"
    kind = Kind.NOT_FOUND

    def __init__(self, *, task: str) -> None:
        super().__init__(f"the child process knows no task {task!r}", task=task)


class TaskFailed(AutoglmError):
    """A task raised something that is no error of this product: a defect, or a library's refusal.

    Carries the exception's type and the line that raised it; never its text, which may hold values of the data.
    """

    code = "task-failed"

    def __init__(self, *, task: str, error: str, where: str) -> None:
        super().__init__(f"{task} failed with {error} at {where}", task=task, error=error, where=where)


class ChildOutOfMemory(AutoglmError):
    """A task needed more memory than the child may have."""

    code = "child-out-of-memory"
    kind = Kind.EXHAUSTED

    def __init__(self, *, task: str) -> None:
        super().__init__(f"{task} ran out of memory; raise limits.memory_gb or choose smaller batches", task=task)


EXTRA_TRAIN = frozenset(
    {
        *("huggingface_hub", "onnxruntime", "peft", "psutil", "py3langid", "pyarrow", "safetensors"),
        *("tokenizers", "torch", "transformers"),
    }
)
"""What a task may import that only the extra [train] installs."""


class PackageMissing(AutoglmError):
    """A task needs a package that is not installed on this machine."""

    code = "package-missing"
    kind = Kind.CONFLICT

    def __init__(self, *, package: str) -> None:
        super().__init__(f"{package} is not installed here: run pip install 'autoglm[train]'", package=package)


class UnknownMeter(InvalidInput):
    """No energy meter of that name is registered."""

    code = "unknown-meter"

    def __init__(self, *, name: str, known: str) -> None:
        super().__init__(f"no energy meter {name!r}; there are: {known}", name=name, known=known)


class MeterUnavailable(AutoglmError):
    """The meter that was asked for cannot be read here."""

    code = "meter-unavailable"
    kind = Kind.UNAVAILABLE

    def __init__(self, *, name: str, hint: str) -> None:
        super().__init__(f"energy meter {name} cannot be read on this machine: {hint}", name=name, hint=hint)
