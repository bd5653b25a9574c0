# make demo | make test | make install; chaos, bench and lock are for developers.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROFILES ?= 50000
LATENCY ?= 0.3
MINUTES ?= 10
SEED ?= 1

.PHONY: demo test check install chaos bench lock clean

demo: install
	@$(BIN)/python -m tests.demo --profiles $(PROFILES) --latency $(LATENCY)

# most tests wait for real processes, so two files at a time take little more than half as long
test: install check
	@$(BIN)/pytest -n 2 --dist loadfile

check: install
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

install: $(VENV)/installed

$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": run make PYTHON=python3.12, say.")'
	@echo "Installing into $(VENV) (about 20 seconds the first time) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# every fault at every point, then seeded rounds for so long; a failure prints its seed and its timeline
chaos: install
	@CHAOS_ALL=1 $(BIN)/pytest -q -s tests/chaos
	@$(BIN)/python -m tests.chaos --minutes $(MINUTES) --seed $(SEED)

bench: install
	@$(BIN)/python -m bench.million

# the lock file holds versions and hashes, no download addresses
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet \
		pyproject.toml --group dev --group bench -o requirements.lock

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
