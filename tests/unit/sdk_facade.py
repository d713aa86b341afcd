"""`import autoglm`: what a program may name, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import autoglm


@pytest.mark.parametrize("name", autoglm.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(autoglm, name) is not None


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = autoglm.nothing_of_that_name


def test_importing_it_loads_neither_grpc_nor_a_framework() -> None:
    code = "import autoglm, sys; print([n for n in ('grpc', 'torch', 'onnxruntime', 'yaml') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line_loads_no_framework() -> None:
    code = "import autoglm.command_line, sys; print([n for n in ('torch', 'onnxruntime', 'yaml') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
