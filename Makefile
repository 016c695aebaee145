# Needs Python 3.11 or later, Java 17 or 21, and make; everything else is brought into .venv.
PYTHON ?= python3
BIN := .venv/bin

# uv must use this environment and this Python, whatever the shell's own settings say.
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV UV_PYTHON

.PHONY: all help demo test test-fast test-newest fmt wheel attack lint bench bench-terminal bench-show bench-validate bench-many bench-wide bench-epochs bench-latency bench-growth bench-warm bench-builds messages docs screens log-store attack-crash attack-cases mutations findings
all: .venv/.ready ## the environment (.venv), and this list
	@$(MAKE) --no-print-directory help

help:
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "make %-14s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv: .venv/.ready ## the environment alone: packages from the lock, Delta's jars, the archive that makes Spark start sooner

# The checks come before the downloads. A venv that a missing ensurepip left half-made has no pip, and is made anew.
.venv/.ready: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; PYTHON names another one: make PYTHON=python3.12" >&2; exit 4; }
	@"$${JAVA_HOME:+$$JAVA_HOME/bin/}java" -version >/dev/null 2>&1 || \
		{ echo "Java was not found: install a Java 17 or 21 runtime (Debian: apt-get install openjdk-17-jre-headless), or set JAVA_HOME to one" >&2; exit 4; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || \
		{ rm -rf .venv; echo "Python's venv module is incomplete: install it (Debian: apt-get install python3-venv)" >&2; exit 4; }
	@echo "Bringing the packages of uv.lock into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv sync --frozen --quiet
	@$(BIN)/etl doctor
	@touch $@

demo: .venv/.ready ## a year of real flights: ten months by a batch, two by a stream
	@$(BIN)/python pipelines/nyc_flights/demo.py

test: .venv/.ready ## every test, in two processes (WORKERS=2)
	@$(BIN)/pytest --numprocesses $(or $(WORKERS),2) --dist loadfile --no-loadscope-reorder --durations 40

test-fast: .venv/.ready ## tests that need no Spark, under a minute
	@$(BIN)/pytest -q --numprocesses $(or $(WORKERS),2) --dist loadfile --no-loadscope-reorder -m pure

# Nothing of it is locked: what a user gets who installs the package today.
test-newest: .venv/.ready ## commands at a terminal, and the checks of files, on the newest version of every dependency
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .newest
	@$(BIN)/uv pip install --quiet --python .newest/bin/python --resolution highest --editable '.[s3,state]' --group dev
	@$(BIN)/uv pip list --python .newest/bin/python --format freeze | grep -E "^(click|pydantic|pyyaml|rich|sqlglot|obstore)=="
	@.newest/bin/etl doctor | grep archive # else the first run makes one beside the tests
	@.newest/bin/pytest -q --numprocesses $(or $(WORKERS),2) --dist loadfile --no-loadscope-reorder tests/cli tests/config -m "pure or slow or spark or system" --durations 10

attack: .venv/.ready ## generated pipelines against the model, for HOURS=1; goes on where it was stopped
	@$(BIN)/python -m tests.attack --hours $(or $(HOURS),1)

lint: .venv/.ready ## ruff, mypy --strict, the walls between the rooms
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: .venv/.ready ## ruff's format, and what it can correct by itself
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

wheel: .venv/.ready ## the wheel, installed for each Python that the package names, and run in those that are at hand
	@$(BIN)/python -m tests.wheel

attack-crash: .venv/.ready ## every flow dies at every point, then 60 random kills (ETL_KILLS) and 10 in a bucket; it goes on where it was stopped
	@ETL_CRASH_ROUNDS=99 $(BIN)/pytest -q tests/crash/test_named_points.py tests/crash/test_state_points.py
	@ETL_KILLS=$${ETL_KILLS:-60} $(BIN)/python -m tests.crash.killing attack .attack/crash.json
	@ETL_BUCKET_KILLS=$${ETL_BUCKET_KILLS:-10} $(BIN)/pytest -q tests/crash/test_two_machines.py -k any_moment

attack-cases: .venv/.ready ## data that others lost rows and values of, by commands, in three ways of running, read by four readers
	@$(BIN)/python -m tests.cases

mutations: .venv/.ready ## bugs planted in a copy, one at a time: do the tests notice?
	@$(BIN)/python -m tests.mutations

bench: .venv/.ready ## whole processes against hand-written PySpark
	@$(BIN)/python -m benchmarks.json_to_delta

bench-terminal: .venv/.ready ## a first run at a terminal, to its summary, against hand-written PySpark
	@$(BIN)/python -m benchmarks.json_to_delta --rows 1000 --terminal

bench-show: .venv/.ready ## rows of a table of 10 million, against DuckDB and delta-rs by hand
	@$(BIN)/python -m benchmarks.show

bench-epochs: .venv/.ready ## micro-batches of 1,000 rows, appended and merged, against Structured Streaming by hand
	@$(BIN)/python -m benchmarks.epochs

bench-wide: .venv/.ready ## three columns of 120, from Parquet and Delta, against the same by hand
	@$(BIN)/python -m benchmarks.wide_columns

bench-validate: .venv/.ready ## 100 pipelines checked, against the imports that this needs, and against BUILD=<commit>
	@$(BIN)/python -m benchmarks.validate $(addprefix --build ,$(BUILD))

bench-latency: .venv/.ready ## from a file's arrival to the commit two flows down, continuous, against two long-lived queries by hand
	@$(BIN)/python -m benchmarks.latency

bench-many: .venv/.ready ## thirty small pipelines by `etl run --all`, against thirty commands
	@$(BIN)/python -m benchmarks.many_pipelines

bench-growth: .venv/.ready ## what an epoch costs late in a table's life against early, EPOCHS=300, without maintenance and with it
	@$(BIN)/python -m benchmarks.growth --epochs $(or $(EPOCHS),300)

bench-warm: .venv/.ready ## a preview and a run in a session that stays, against the same by themselves
	@$(BIN)/python -m benchmarks.warm

bench-builds: .venv/.ready ## this checkout against BUILD=<commit> (or several): 1,000 rows, or ROWS, in ROUNDS=15
	@$(BIN)/python -m benchmarks.builds $(BUILD) --rows $(or $(ROWS),1000) --rounds $(or $(ROUNDS),15)

messages: .venv/.ready ## what users read of each mistake in the catalogue, written anew
	@$(BIN)/python -m tests.config.catalogue

screens: .venv/.ready ## docs/screens, what commands show at a terminal of 80 columns
	@$(BIN)/python docs/screens.py

docs: .venv/.ready ## the generated part of docs/reference
	@$(BIN)/python docs/generate.py

log-store: .venv/.ready ## our jars, compiled anew from their sources: Delta's log store for object stores, the readers of files
	@$(BIN)/python -m tests.log_store

findings: ## what surprised us of the libraries below us, shown without Twilight; each brings its packages, and fails where it has changed
	@for program in findings/*.sh; do echo "== $$program"; bash "$$program" || exit 1; done
