"""The filter's program, run by an interpreter of its own, so that both architectures are tested on either."""

from __future__ import annotations

import struct

import pytest

from autoglm_workloads.child import sandbox
from autoglm_workloads.child.sandbox import ALLOW, ARCHITECTURES, KILL, REFUSE

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK = 1, 2, 10, 16, 17, 40
SOCKET = {"x86_64": 41, "aarch64": 198}
SOCKETPAIR = {"x86_64": 53, "aarch64": 199}
PTRACE = {"x86_64": 101, "aarch64": 117}
READ = {"x86_64": 0, "aarch64": 63}
IO_URING_SETUP = 425


def verdict(name: str, number: int, argument: int = 0, *, audit: int | None = None) -> int:
    """What the program answers to one system call on the architecture `name`."""
    architecture = ARCHITECTURES[name]
    call = struct.pack("<IIQQ", number, audit or architecture.audit, 0, argument)
    instructions = list(struct.iter_unpack("<HBBI", sandbox.program(architecture)))
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        if code == sandbox.LOAD:
            (accumulator,) = struct.unpack_from("<I", call, operand)
        elif code == sandbox.JUMP_EQUAL:
            at += if_true if accumulator == operand else if_false
        elif code == sandbox.JUMP_AT_LEAST:
            at += if_true if accumulator >= operand else if_false
        else:
            assert code == sandbox.RETURN
            return int(operand)


@pytest.mark.parametrize("name", ARCHITECTURES)
class TestProgram:
    def test_local_sockets_are_allowed(self, name: str) -> None:
        assert verdict(name, SOCKET[name], AF_UNIX) == ALLOW
        assert verdict(name, SOCKETPAIR[name], AF_UNIX) == ALLOW

    @pytest.mark.parametrize("family", [0, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK])
    def test_every_other_family_is_refused(self, name: str, family: int) -> None:
        assert verdict(name, SOCKET[name], family) == REFUSE
        assert verdict(name, SOCKETPAIR[name], family) == REFUSE

    def test_the_kernel_reads_only_the_low_half_of_the_family(self, name: str) -> None:
        assert verdict(name, SOCKET[name], AF_INET | 1 << 32) == REFUSE

    @pytest.mark.parametrize("number", [IO_URING_SETUP, 426, 427, 438])
    def test_ways_round_are_refused(self, name: str, number: int) -> None:
        assert verdict(name, number) == REFUSE

    def test_reading_another_process_is_refused(self, name: str) -> None:
        assert verdict(name, PTRACE[name]) == REFUSE

    def test_ordinary_calls_are_allowed(self, name: str) -> None:
        assert verdict(name, READ[name]) == ALLOW

    def test_a_foreign_instruction_set_is_fatal(self, name: str) -> None:
        assert verdict(name, SOCKET[name], AF_INET, audit=0x40000003) == KILL


def test_the_second_call_table_of_x86_64_is_closed() -> None:
    assert verdict("x86_64", 0x40000000 | SOCKET["x86_64"], AF_INET) == KILL


def test_this_process_has_no_filter() -> None:
    assert not sandbox.enforced()
