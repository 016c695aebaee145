# Everything here needs nothing but Python 3.11 or later, Java 17 or 21, and make.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test lint bench docs
help: ## this list
	@grep -E '^[a-z.]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | column -t -s $$'\t'

.venv: .venv/.ready ## the environment, from the lock

.venv/.ready: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed (PYTHON=... names one)"; exit 4; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "the venv module is missing: install it (Debian: apt-get install python3-venv)"; exit 4; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv sync --frozen --inexact --quiet
	@$(BIN)/etl doctor
	@touch $@

demo: .venv/.ready ## a year of flights: ten months by batch, two by stream
	@$(BIN)/python pipelines/nyc_flights/demo.py

test: .venv/.ready ## every test
	@$(BIN)/pytest

lint: .venv/.ready ## ruff, mypy and the walls
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: .venv/.ready ## whole processes against hand-written PySpark
	@$(BIN)/python -m benchmarks.json_to_delta

docs: .venv/.ready ## the generated reference
	@$(BIN)/python docs/generate.py
