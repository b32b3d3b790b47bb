# `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup browser run test coverage chaos lint checks format lock generated images up down bootstrap plan deploy destroy clean
PYTHON := .venv/bin/python
TOTELAKE := $(PYTHON) -m local_aws.cli
# Two files of tests at a time, in their order, which has the long ones first: much of a test is waiting.
TWO_AT_ONCE := --numprocesses 2 --dist loadfile --no-loadscope-reorder
COMPILE := uv pip compile --python-version 3.13 --generate-hashes --no-header --no-annotate --no-emit-index-url \
	--no-emit-find-links --quiet
CODE := glue_jobs crawlers cost dictionary local_aws totesys delivery dashboards

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup:  ## Make .venv, get Java and Terraform where they are missing, install what requirements.lock pins, build. Does only what is not done.
	@bin/setup

browser: setup  ## Install a browser for the tests of the dashboard, where there is none.
	@bin/browser

run: setup  ## The whole of it: local AWS, totesys, workflow, more business, workflow, summary.
	@$(TOTELAKE) demo

test: lint browser  ## Lint, check types and run every test.
	$(PYTHON) -m pytest $(TWO_AT_ONCE)

coverage: lint browser  ## As test, and say which lines ran, those of the jobs' processes and the endpoint's among them; 90 % must.
	rm -f .coverage .coverage.*
	COVERAGE_ROOT=$(CURDIR) $(PYTHON) -m coverage run -m pytest $(TWO_AT_ONCE)
	$(PYTHON) -m coverage combine --quiet
	$(PYTHON) -m coverage report

.venv-checks/installed: requirements-checks.lock | setup
	$(PYTHON) -m venv --clear .venv-checks
	.venv-checks/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
		--require-hashes --requirement $<
	touch $@

chaos: setup  ## Prove that no row is lost, doubled or torn: HISTORIES=1000 SEED=1, MINUTES=60, or REPLAY=seed alone.
	@$(PYTHON) -m tests.chaos $(if $(HISTORIES),--histories $(HISTORIES)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(REPLAY),--replay $(REPLAY))

lint: setup  ## Check style, format and types.
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy $(CODE) benchmarks

checks: .venv-checks/installed  ## Look for weaknesses: bandit in the code, pip-audit in the dependencies, checkov in the Terraform.
	.venv-checks/bin/bandit --quiet --recursive --configfile pyproject.toml $(CODE)
	.venv-checks/bin/checkov
	.venv-checks/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock
	.venv-checks/bin/pip-audit --strict --disable-pip --require-hashes --requirement glue_jobs/requirements.lock
	.venv-checks/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements-java.lock

format: setup  ## Put the code into the one format.
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format

lock:  ## Resolve every requirements.in into its requirements.lock, with hashes (needs uv).
	@uv --version >/dev/null 2>&1 || { echo "totelake: uv is missing: install it (https://docs.astral.sh/uv/getting-started/installation)." >&2; exit 1; }
	$(COMPILE) requirements.in --output-file requirements.lock
	$(COMPILE) requirements-checks.in --output-file requirements-checks.lock
	$(COMPILE) requirements-java.in --output-file requirements-java.lock
	$(COMPILE) glue_jobs/requirements.in --constraint requirements.lock --python-platform x86_64-manylinux_2_28 \
		--output-file glue_jobs/requirements.lock

generated: setup  ## Write what comes from declarations (terraform/tables.json, metrics.json, questions.json, docs/tables.md, cost.md).
	$(PYTHON) -m totelake.tables >build/tables.json
	mv build/tables.json terraform/tables.json
	$(PYTHON) -m totelake.metrics >build/metrics.json
	mv build/metrics.json terraform/metrics.json
	$(PYTHON) -m dashboards.quicksight >build/questions.json
	mv build/questions.json terraform/questions.json
	$(PYTHON) -m dictionary >build/tables.md
	mv build/tables.md docs/tables.md
	$(PYTHON) -m cost >build/cost.md
	mv build/cost.md docs/cost.md

images: browser  ## Take the pictures of the dashboard in docs/images, of a world that is made for them: STATE=dir takes one that is up.
	@$(PYTHON) -m dashboards.images $(if $(STATE),--state $(STATE))

up: setup  ## Start the local world in the background.
	@$(TOTELAKE) up

down:  ## Stop the local world; what it holds stays.
	@if [ -x $(PYTHON) ]; then $(TOTELAKE) down; fi

bootstrap: setup  ## Make the bucket of Terraform's state for ENV, and the roles of the GitHub workflows.
	@$(PYTHON) -m delivery bootstrap "$(ENV)"

plan: setup  ## Show what a deployment to ENV would change.
	@$(PYTHON) -m delivery plan "$(ENV)"

deploy: setup  ## Deploy to ENV (a file in terraform/env): build, plan, apply that plan.
	@$(PYTHON) -m delivery deploy "$(ENV)"

destroy: setup  ## Remove what is deployed to ENV, after its prefix was typed, or given as CONFIRM.
	@$(PYTHON) -m delivery destroy "$(ENV)"

clean:  ## Remove the local world, the build products and .venv.
	@if [ -x $(PYTHON) ]; then $(TOTELAKE) down --purge --yes; fi
	rm -rf .venv .venv-checks build .pytest_cache .mypy_cache .ruff_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
