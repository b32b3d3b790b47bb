# `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup browser run test test-fast coverage bench growth chaos lint checks format lock generated docs images up down bootstrap plan deploy verify destroy clean
PYTHON := .venv/bin/python
TOTELAKE := $(PYTHON) -m ops.cli
# Two test files in parallel, in the collected order, which starts with the slow ones.
IN_PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder
COMPILE := uv pip compile --python-version 3.13 --generate-hashes --no-header --no-annotate --no-emit-index-url \
	--no-emit-find-links --quiet
CODE := glue_jobs local_aws totesys ops dashboards

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup:  ## Set up .venv: pinned packages, Java and Terraform if missing, build products. Idempotent.
	@bin/setup

browser: setup  ## Install Chromium for the dashboard tests, if there is no browser.
	@bin/browser

run: setup  ## Start a local AWS, deploy, fill totesys, run the workflow twice, print a summary.
	@$(TOTELAKE) demo

test: lint browser  ## Lint, check types, run all tests; ARGS="-k ingest" is passed to pytest.
	$(PYTHON) -m pytest $(IN_PARALLEL) $(ARGS)

test-fast: lint  ## Lint, check types, run the tests without local environment, Terraform or browser (about a minute).
	$(PYTHON) -m pytest $(IN_PARALLEL) -m "not world and not terraform and not browser" tests/unit tests/repo tests/spark $(ARGS)

coverage: lint browser  ## Run the tests with coverage, including subprocesses; fail under 90 %.
	rm -f .coverage .coverage.*
	COVERAGE_ROOT=$(CURDIR) $(PYTHON) -m coverage run -m pytest $(IN_PARALLEL)
	$(PYTHON) -m coverage combine --quiet
	$(PYTHON) -m coverage report

.venv-checks/installed: requirements-checks.lock | setup
	$(PYTHON) -m venv --clear .venv-checks
	.venv-checks/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
		--require-hashes --requirement $<
	touch $@

.venv-bench/installed: requirements-bench.lock | setup
	$(PYTHON) -m venv --clear .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
		--require-hashes --requirement $<
	touch $@

bench: .venv-bench/installed  ## Compare with other tools: N=100000 sales orders, REPETITIONS=3.
	$(PYTHON) -m benchmarks.comparison $(if $(N),--sales-orders $(N)) $(if $(REPETITIONS),--repetitions $(REPETITIONS))
	.venv-bench/bin/python -m benchmarks.plot

growth: .venv-bench/installed  ## Measure whether the cost of a run grows with the history: N=1004 runs, HISTORY=17520 batches.
	$(PYTHON) -m benchmarks.growth $(if $(N),--batches $(N)) $(if $(HISTORY),--history $(HISTORY)) $(ARGS)
	$(PYTHON) -m benchmarks.growth_report
	.venv-bench/bin/python -m benchmarks.growth_plot

chaos: setup  ## Fault injection: HISTORIES=1000 SEED=1, MINUTES=60, or REPLAY=seed for one history.
	@$(PYTHON) -m tests.chaos $(if $(HISTORIES),--histories $(HISTORIES)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(REPLAY),--replay $(REPLAY))

lint: setup  ## Check style, format, types and layers.
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy $(CODE) benchmarks
	.venv/bin/lint-imports --no-logo

checks: .venv-checks/installed  ## Security scans: bandit (code), pip-audit (dependencies), checkov (Terraform).
	.venv-checks/bin/bandit --quiet --recursive --configfile pyproject.toml $(CODE)
	.venv-checks/bin/checkov
	.venv-checks/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock
	.venv-checks/bin/pip-audit --strict --disable-pip --require-hashes --requirement glue_jobs/requirements.lock
	.venv-checks/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements-java.lock

format: setup  ## Format the code and fix what ruff can fix.
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format

lock:  ## Resolve each requirements.in into its requirements.lock, with hashes (needs uv).
	@uv --version >/dev/null 2>&1 || { echo "totelake: uv is missing: install it (https://docs.astral.sh/uv/getting-started/installation)." >&2; exit 1; }
	$(COMPILE) requirements.in --output-file requirements.lock
	$(COMPILE) requirements-checks.in --output-file requirements-checks.lock
	$(COMPILE) requirements-bench.in --output-file requirements-bench.lock
	$(COMPILE) requirements-java.in --output-file requirements-java.lock
	$(COMPILE) glue_jobs/requirements.in --constraint requirements.lock --python-platform x86_64-manylinux_2_28 \
		--output-file glue_jobs/requirements.lock

generated: setup  ## Write the generated files (terraform/*.json, docs/tables.md, docs/cost.md).
	$(PYTHON) -m ops.generate

docs: setup  ## Build the documentation site in build/site; warnings are errors.
	@NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --quiet
	@echo build/site/index.html

images: browser  ## Take the screenshots in docs/images of a temporary local environment, or of a running one (STATE=dir).
	@$(PYTHON) -m ops.cli.dashboard_images $(if $(STATE),--state $(STATE))

up: setup  ## Start the local environment in the background.
	@$(TOTELAKE) up

down:  ## Stop the local environment; its data is kept.
	@if [ -x $(PYTHON) ]; then $(TOTELAKE) down; fi

bootstrap: setup  ## Create the bucket of Terraform's state for ENV and the roles of the GitHub workflows.
	@$(PYTHON) -m ops.deploy bootstrap "$(ENV)"

plan: setup  ## Show what a deployment to ENV would change.
	@$(PYTHON) -m ops.deploy plan "$(ENV)"

deploy: setup  ## Deploy to ENV (a file in terraform/env): build, plan, apply that plan.
	@$(PYTHON) -m ops.deploy deploy "$(ENV)"

verify: setup  ## Check what is deployed to ENV and how its first runs ended, read-only (docs/runbooks/first-day.md).
	@$(PYTHON) -m ops.deploy verify "$(ENV)"

destroy: setup  ## Destroy everything deployed to ENV, after its prefix was typed or given as CONFIRM.
	@$(PYTHON) -m ops.deploy destroy "$(ENV)"

clean:  ## Remove the local environment, the build products and .venv.
	@if [ -x $(PYTHON) ]; then $(TOTELAKE) down --purge --yes; fi
	rm -rf .venv .venv-checks build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
