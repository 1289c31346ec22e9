# `make` or `make help` lists the targets. Two variables serve all of them:
#   PYTHON=/path/to/python3   interpreter for the virtual environment (3.11 or newer)
#   ARGS="..."                further arguments for the program a target starts
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

VENV ?= .venv
ARGS ?=
export PYTHON VENV

BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
WORKERS := -n 2 --dist worksteal
DIAGRAM := $(BIN)/python -m sceplab_agent.core.diagram
COVERAGE_TABLE := $(PYTEST) --collect-only -q --coverage-table
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header
LOCK_NOTE := \# Pinned by `make lock` from the ranges in pyproject.toml; every file is checked against its hash.

.PHONY: help demo dev clients test quick test-slow check lint types layers fresh fmt bench fuzz docs \
	coverage-table lock dist clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## watch an emulated router get and renew a certificate
	@scripts/bootstrap.sh run
	@$(BIN)/sceplab demo $(ARGS)

dev: ## make the virtual environment with the test and check tools
	@scripts/bootstrap.sh dev

clients: ## make the environments of foreign clients (netmiko, Ansible, ...) that tests drive our devices with
	@scripts/bootstrap.sh clients

test: ## all tests but the slow ones; as root installs the Debian packages they need
	@scripts/bootstrap.sh test
	@$(PYTEST) -m "not slow and not bench" $(WORKERS) $(ARGS)

quick: dev ## under a minute: no network, no daemon, no program of others
	@$(PYTEST) -q -m "not slow and not bench and not interop and not daemon" $(WORKERS) $(ARGS)

test-slow: ## what is too long for `make test`: kills and power cuts at every moment, 200 lives; 30 minutes
	@scripts/bootstrap.sh test
	@$(PYTEST) -m "slow" $(WORKERS) $(ARGS)

check: lint types layers fresh ## lint, types, import layers, freshness of the generated documents

lint: dev
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: dev
	@$(BIN)/mypy

layers: dev
	@$(BIN)/lint-imports --no-logo

fresh: dev
	@$(DIAGRAM) --check
	@$(COVERAGE_TABLE)=check

fmt: dev ## format the code and repair what ruff can repair
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: dev ## measure; prints a table and writes build/bench.json
	@$(BIN)/python -m tests.bench $(ARGS)

fuzz: dev ## generated input for the parsers, a hundred times the examples of `make test`
	@SCEPLAB_FUZZ=long $(PYTEST) -m fuzz $(ARGS)

docs: dev ## write the generated documents anew
	@$(DIAGRAM)
	@$(BIN)/python -m sceplab_agent.event_catalogue > docs/events.md
	@$(COVERAGE_TABLE)=write

coverage-table: dev ## write docs/feature-coverage.md from the marks of the tests
	@$(COVERAGE_TABLE)=write

lock: ## pin the requirements anew (needs uv)
	@$(LOCK) --upgrade $(ARGS) pyproject.toml --group build -o requirements/base.txt
	@$(LOCK) --upgrade $(ARGS) --group tpm-build -c requirements/base.txt \
		-o requirements/tpm-build.txt
	@$(LOCK) --upgrade $(ARGS) pyproject.toml --extra tpm --group build -c requirements/base.txt \
		-c requirements/tpm-build.txt -o requirements/tpm.txt
	@$(LOCK) --upgrade $(ARGS) --group test -c requirements/base.txt -o requirements/test.txt
	@$(LOCK) --upgrade $(ARGS) --group check -c requirements/base.txt -c requirements/test.txt \
		-o requirements/check.txt
	@mkdir -p requirements/clients
	@for name in main scrapli2026 ansible parsers fakenos; do \
		$(LOCK) --upgrade $(ARGS) --group clients-$$name -o requirements/clients/$$name.txt || exit 1; done
	@for file in requirements/*.txt requirements/clients/*.txt; do sed -i.old '1i\
	$(LOCK_NOTE)' $$file && rm $$file.old; done

dist: dev ## build the source distribution and the wheel into dist/
	@$(BIN)/python -m hatchling build

clean: ## remove what was built; the virtual environment too
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis $(VENV)
