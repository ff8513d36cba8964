# Every target sets itself up in .venv with plain pip: `make demo` works on a fresh clone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
EVENTS ?= 200000
JOBS ?= 2
# One thread in each process: two that spin on one core are slower than one. Files stay whole, for their fixtures.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help install demo test test-quick coverage lint types docs schemas bench figures clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch comes first and alone: an open requirement would pull a newer one with gigabytes of GPU packages.
$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV): a few minutes the first time"
	$(PIP) torch==2.13.0
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(PIP) -e '.[dev]'
	@touch $@

$(VENV)/.docs: $(VENV)/.run
	$(PIP) -e '.[docs]'
	@touch $@

install: $(VENV)/.run ## install simmorph into .venv

demo: $(VENV)/.run ## toy data to upper limit in about five minutes, report in build/demo
	$(BIN)/simmorph run --config cli-examples/demo/hgg.yaml --set toy.events=$(EVENTS)

test: $(VENV)/.dev ## the whole test suite, in JOBS=2 processes
	$(PYTEST)

test-quick: $(VENV)/.dev ## all but the tests that train to closure
	$(PYTEST) -m "not slow"

coverage: $(VENV)/.dev ## the whole test suite, with the lines of the package that it does not run
	rm -f .coverage .coverage.*
	$(PYTEST) --cov --cov-report=term --cov-report=xml:build/coverage.xml

lint: $(VENV)/.dev types ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy alone
	$(BIN)/mypy

docs: $(VENV)/.docs ## the documentation site, in build/docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --fresh-env --quiet docs build/docs
	@echo build/docs/index.html

schemas: $(VENV)/.run ## the JSON schemas of all YAML files, from the code
	for name in recipe limits compare selection; do $(BIN)/simmorph schema $$name > schemas/$$name.json || exit 1; done

bench: $(VENV)/.dev ## side-by-side measurements, printed as ratios
	$(BIN)/python -m benchmarks

figures: $(VENV)/.dev ## size and shape of the package and its tests, in one table
	$(BIN)/python -m benchmarks.figures

clean: ## remove everything that was built
	rm -rf build dist docs/api .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
