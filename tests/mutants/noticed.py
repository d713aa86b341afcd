"""Every fault of mutants.toml turns its test red; and what finds that out can say no."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mutants.run import CAUGHT, NOT_NOTICED, Copy, Mutant, OutOfDate, green, mutants, verdict


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The packages, to be broken."""
    return Copy(tmp_path_factory.mktemp("mutants"))


def test_without_a_fault_every_one_of_the_tests_is_green(copy: Copy) -> None:
    assert green(copy, mutants()) == []


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_a_fault_is_noticed(copy: Copy, mutant: Mutant) -> None:
    assert verdict(copy, mutant) == CAUGHT


def test_a_change_without_a_fault_is_not_called_noticed(copy: Copy) -> None:
    mutant = mutants()[0]
    assert verdict(copy, replace(mutant, new=f"{mutant.old}  # as before")) == NOT_NOTICED


def test_a_fault_that_only_crashes_does_not_count(copy: Copy) -> None:
    assert verdict(copy, replace(mutants()[0], new="no_such_name()")).startswith("not by an assertion: NameError")
    top = replace(mutants()[0], old="from __future__ import annotations\n", new="import no_such_module\n")
    with pytest.raises(RuntimeError, match="No module named 'no_such_module'"):
        verdict(copy, top)


def test_a_mutant_that_does_not_follow_the_code_is_an_error(copy: Copy) -> None:
    mutant = mutants()[0]
    with pytest.raises(OutOfDate, match="0 times"):
        verdict(copy, replace(mutant, old="a line that was removed"))
