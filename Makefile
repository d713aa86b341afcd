# Everything that a checkout can do. `make demo` and `make test` set up what they need; a second run starts in seconds.
#
#   make demo [SEED=n] [TORCH_INDEX=url]   environment, install, the quickstart study into runs/
#   make test                              environment, install, checks, all tests but the long ones
#   make test-long                         the tests marked `long`: repeated kills, many seeds
#   make test-night [HOURS=n] [SEED=n]     secure sums under random schedules until the time is over; SEED runs one again
#   make faults-long                       every fault test, kills at many more moments among them
#   make fuzz [SECONDS=n] [PARSER=name]    each parser of foreign bytes under libFuzzer for n seconds: see fuzz/README.md
#   make mutants                           faults put into a copy of the packages: which tests notice them
#   make check                             ruff, mypy, import directions, generated stubs
#   make bench                             install what benchmarks compare with
#   make protos                            write the stubs again after a change of a .proto file
#   make clean                             remove the environment and every cache; runs/ stays

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
# PyTorch's index of one build (for example its CPU wheels); empty: the index that pip uses anyway.
TORCH_INDEX ?=
SEED ?=
HOURS ?= 8
# Not `?=`: the shell has a variable of this name.
SECONDS := 60
PARSER ?=
STUDY ?= examples/quickstart.yaml

PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
PROTOS := $(sort $(wildcard protos/autoglm_protos/v1/*.proto))
GENERATE = PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iprotos \
	--python_out=$(1) --grpc_python_out=$(1) --mypy_out=quiet:$(1) --mypy_grpc_out=quiet:$(1) $(PROTOS)

# One thread for each process: the tests start many of them, on few cores.
export OMP_NUM_THREADS ?= 1

.PHONY: help
help:
	@sed -n '3,/^$$/s/^# *//p' $(MAKEFILE_LIST)

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "autoglm needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "environment: $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# Without its dependencies first, so that a build from TORCH_INDEX stays and all the rest comes pinned from the usual index.
$(VENV)/.torch: $(VENV)/.made
	@echo "install: $(TORCH)"
	@$(PIP) install --no-deps $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	@touch $@

$(VENV)/.all: $(VENV)/.torch pyproject.toml constraints.txt
	@echo "install: autoglm[all]"
	@$(PIP) install -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml constraints.txt
	@echo "install: autoglm[dev]"
	@# Of pip's two ways to build from source, the old one fails on seqeval.
	@$(PIP) install --use-pep517 -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.all

$(VENV)/.bench: $(VENV)/.dev
	@echo "install: autoglm[bench]"
	@$(PIP) install -c constraints.txt -e '.[bench]'
	@touch $@

$(VENV)/.fuzz: $(VENV)/.dev
	@echo "install: autoglm[fuzz]"
	@$(PIP) install -c constraints.txt -e '.[fuzz]'
	@touch $@

.PHONY: bench
bench: $(VENV)/.bench
	@echo "ready: $(BIN)/python benchmarks/NAME.py [--json]"

.PHONY: demo
demo: $(VENV)/.all
	@$(BIN)/autoglm simulate $(STUDY) $(if $(SEED),--seed $(SEED))

.PHONY: check
check: $(VENV)/.dev
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check --no-cache .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory check-protos

.PHONY: protos
protos: $(VENV)/.dev
	$(call GENERATE,protos)

.PHONY: check-protos
check-protos: $(VENV)/.dev
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(call GENERATE,"$$folder"); \
	for stub in $$(cd "$$folder" && find . -type f); do \
		diff -u "protos/$$stub" "$$folder/$$stub" \
			|| { echo "stubs differ from their .proto: run make protos" >&2; exit 1; }; \
	done; \
	echo "stubs: as generated"

.PHONY: test
test: check
	$(BIN)/pytest -q -n 2 --dist loadfile -m "not long" --durations=10 --ignore tests/faults
	@# Stories of deaths and deadlines have the machine to themselves.
	$(BIN)/pytest -q -m "not long" --durations=10 tests/faults

.PHONY: test-long
test-long: $(VENV)/.dev
	$(BIN)/pytest -q -m long

.PHONY: test-night
test-night: $(VENV)/.dev
	@PYTHONPATH=tests $(BIN)/python -m support.secure_sum_night --hours $(HOURS) $(if $(SEED),--seed $(SEED))

.PHONY: faults-long
faults-long: $(VENV)/.dev
	$(BIN)/pytest -q -s -m "long or not long" tests/faults

.PHONY: fuzz
fuzz: $(VENV)/.fuzz
	@for parser in $(if $(PARSER),$(PARSER),$$($(BIN)/python fuzz/fuzz_parsers.py --list)); do \
		echo "fuzz: $$parser"; \
		$(BIN)/python fuzz/fuzz_parsers.py $$parser -max_total_time=$(SECONDS) -verbosity=0 -print_final_stats=1; \
	done

.PHONY: mutants
mutants: $(VENV)/.dev
	@$(BIN)/python tests/mutants/run.py

.PHONY: clean
clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist fuzz/work
	find . -name __pycache__ -type d -not -path './runs/*' -prune -exec rm -rf {} +
