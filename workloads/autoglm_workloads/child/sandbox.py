"""A seccomp filter that leaves a process without a network, set before it imports anything that it did not write.

Refused with EPERM: sockets of any family but AF_UNIX; io_uring, which could open sockets past the filter; and the
calls by which a process of the same user reads another or takes over its descriptors (ptrace, process_vm_*,
pidfd_getfd), because the daemon beside the child holds keys. A system call of a foreign instruction set kills the
process: its numbers mean something else. The filter is inherited by whatever the process starts and cannot be taken
off again.

It is no file sandbox: the child reads what its user may read, /proc of its own processes included. Network namespaces
were rejected: they need privileges or user namespaces, which many hosts switch off. libseccomp was rejected: one more
native dependency for twenty instructions. The structure of the program is that of
Documentation/userspace-api/seccomp_filter.rst of the Linux kernel.
"""

from __future__ import annotations

import ctypes
import platform
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER_OFFSET, ARCHITECTURE_OFFSET, FIRST_ARGUMENT_OFFSET = 0, 4, 16
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000  # REFUSE carries EPERM
AF_UNIX = 1
X32_BIT = 0x40000000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
SECCOMP_MODE_FILTER = 2


@dataclass(frozen=True)
class Architecture:
    """Call numbers: `socket_calls` are filtered by family, `refused` always.

    `audit`: AUDIT_ARCH_* of the kernel; `x32`: whether a second call table stands behind a bit of the number.
    """

    audit: int
    socket_calls: tuple[int, ...]
    refused: tuple[int, ...]
    x32: bool


_IO_URING = (425, 426, 427)
_PIDFD_GETFD = 438
ARCHITECTURES: Mapping[str, Architecture] = {
    "x86_64": Architecture(0xC000003E, (41, 53), (*_IO_URING, _PIDFD_GETFD, 101, 310, 311), x32=True),
    "aarch64": Architecture(0xC00000B7, (198, 199), (*_IO_URING, _PIDFD_GETFD, 117, 270, 271), x32=False),
}
"""socket and socketpair; io_uring_*, pidfd_getfd, ptrace, process_vm_readv, process_vm_writev."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def program(architecture: Architecture) -> bytes:
    """The filter as BPF instructions of eight bytes each."""
    prologue = [
        _instruction(LOAD, ARCHITECTURE_OFFSET),
        _instruction(JUMP_EQUAL, architecture.audit, if_true=1),
        _instruction(RETURN, KILL),
        _instruction(LOAD, NUMBER_OFFSET),
    ]
    if architecture.x32:
        prologue += [_instruction(JUMP_AT_LEAST, X32_BIT, if_false=1), _instruction(RETURN, KILL)]
    epilogue = [
        _instruction(RETURN, ALLOW),
        _instruction(LOAD, FIRST_ARGUMENT_OFFSET),
        _instruction(JUMP_EQUAL, AF_UNIX, if_false=1),
        _instruction(RETURN, ALLOW),
        _instruction(RETURN, REFUSE),
    ]
    return b"".join(prologue + _dispatch(architecture) + epilogue)


def _dispatch(architecture: Architecture) -> list[bytes]:
    """Jumps by call number into the epilogue: refused calls to its last instruction, socket calls to its second."""
    targets = [(number, 4) for number in architecture.refused] + [(number, 1) for number in architecture.socket_calls]
    return [
        _instruction(JUMP_EQUAL, number, if_true=len(targets) - index - 1 + target)
        for index, (number, target) in enumerate(targets)
    ]


def _instruction(code: int, operand: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, operand)


def install() -> bool:
    """Close the network for this process for good; False where the kernel or the machine offers no such filter."""
    architecture = ARCHITECTURES.get(platform.machine())
    # A 32-bit interpreter on a 64-bit kernel makes calls under other numbers: the filter would kill it.
    if sys.platform != "linux" or architecture is None or sys.maxsize < 2**32:
        return False
    code = program(architecture)
    filter_program = _Program(len(code) // 8, code)
    if _prctl(PR_SET_NO_NEW_PRIVS, 1) != 0:
        return False
    return _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(filter_program)) == 0


def enforced() -> bool:
    """Whether this process is refused an internet socket by a filter, found out by asking for one."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.socket(family, socket.SOCK_DGRAM).close()
        except PermissionError:
            continue
        except OSError:  # the kernel has no such family: nothing was proved
            return False
        else:
            return False
    return True


def die_with_parent(signal_number: int) -> None:
    """Ask the kernel for `signal_number` when the thread that started this process ends: orphans would keep data."""
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, signal_number)


def hide_memory() -> None:
    """Let no other process of this user read this one's memory: a daemon calls it before it loads a key."""
    _prctl(PR_SET_DUMPABLE, 0)


def _prctl(option: int, first: int, second: int = 0) -> int:
    words = [ctypes.c_ulong(value) for value in (first, second, 0, 0)]
    return int(ctypes.CDLL(None, use_errno=True).prctl(ctypes.c_int(option), *words))
