# `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup run test chaos lint format lock generated up down clean
PYTHON := .venv/bin/python
TOTELAKE := $(PYTHON) -m local_aws.cli

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup:  ## Check the tools, make .venv, install what requirements.lock pins, build. Does only what is not done.
	@bin/setup

run: setup  ## The whole of it: local AWS, totesys, workflow, more business, workflow, summary.
	@$(TOTELAKE) demo

test: lint  ## Lint, check types and run every test.
	$(PYTHON) -m pytest

chaos: setup  ## Prove that no row is lost, doubled or torn: HISTORIES=1000 SEED=1, or REPLAY=seed alone.
	@$(PYTHON) -m tests.chaos $(if $(HISTORIES),--histories $(HISTORIES)) $(if $(SEED),--seed $(SEED)) $(if $(REPLAY),--replay $(REPLAY))

lint: setup  ## Check style, format and types.
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy glue_jobs local_aws totesys benchmarks

format: setup  ## Put the code into the one format.
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format

lock:  ## Resolve requirements.in into requirements.lock, with hashes (needs uv).
	@uv --version >/dev/null 2>&1 || { echo "totelake: uv is missing: install it (https://docs.astral.sh/uv/getting-started/installation)." >&2; exit 1; }
	uv pip compile requirements.in --python-version 3.13 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --output-file requirements.lock

generated: setup  ## Write the files that come from the declarations (terraform/tables.json, metrics.json).
	$(PYTHON) -m totelake.tables >build/tables.json
	mv build/tables.json terraform/tables.json
	$(PYTHON) -m totelake.metrics >build/metrics.json
	mv build/metrics.json terraform/metrics.json

up: setup  ## Start the local world in the background.
	@$(TOTELAKE) up

down:  ## Stop the local world; what it holds stays.
	@if [ -x $(PYTHON) ]; then $(TOTELAKE) down; fi

clean:  ## Remove the local world, the build products and .venv.
	@if [ -x $(PYTHON) ]; then $(TOTELAKE) down --purge --yes; fi
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
