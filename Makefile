# Two commands do all the set-up: `make run` and `make test`.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-cgroup2 lint check bench soak screenshots clean

run: $(VENV)/.installed
	@$(BIN)/python scripts/run.py

test: $(VENV)/.dev
	@scripts/test-packages
	@$(BIN)/python -m pytest -m "not slow"

# On a machine of its own: Debian's kernel in qemu, without KVM, with nothing but cgroup v2.
# CGROUP2=--quick is for who has ten minutes; see `python -m tests.cgroup2 --help`.
test-cgroup2: $(VENV)/.dev
	@scripts/test-packages
	@$(BIN)/python -m tests.cgroup2 $(CGROUP2)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(BIN)/python -m pytest tests/unit -m "not slow"

bench: $(VENV)/.dev
	@scripts/test-packages
	@$(BIN)/python -m bench

soak: $(VENV)/.dev
	@$(BIN)/python -m pytest tests -m slow --timeout 3600

screenshots: $(VENV)/.dev
	@$(BIN)/python screenshots/make.py

$(VENV)/bin/python:
	@$(PYTHON) scripts/prerequisites.py
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
