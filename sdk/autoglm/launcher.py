"""Starts one program that ends with its parent: `python launcher.py PARENT_PID PROGRAM [ARGUMENT ...]`.

Run as a file by a fresh interpreter, standard library only, so that it costs a few milliseconds. It asks the kernel
to send SIGTERM when the parent dies, however it dies, and becomes PROGRAM. A `preexec_fn` in the parent was rejected:
it runs Python between fork and exec, which deadlocks beside gRPC's threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Bind this process to its parent, then become the program."""
    parent, program = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # It died between the fork and the line above: nobody is left to stop the program.
        raise SystemExit(1)
    os.execv(program[0], program)  # noqa: S606  the command is a list, and no shell reads it


if __name__ == "__main__":
    main(sys.argv[1:])
