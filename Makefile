# `make demo` and `make test` do everything; `make help` lists the rest.
# Everything is installed into .venv inside the checkout, from requirements/ (pinned, with hashes).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# uv is taken from the PATH where it is, else from PyPI into .uv inside the checkout.
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
# Trust what the machine trusts: behind a company's proxy the bundled certificates alone are not enough.
export UV_SYSTEM_CERTS ?= true
# Containers often forbid Python to keep what it compiled. Then every start compiles Airflow anew: 7 s of processor time instead of 3 s.
unexport PYTHONDONTWRITEBYTECODE
PYTEST_ARGS ?=
SOURCES := airflow_provider_confluence tests dags benchmarks docs/conf.py docs/pictures

.DEFAULT_GOAL := help
.PHONY: help install demo test test-install test-ui test-celery soak readers conformance bench bench-content bench-peers bench-units sizing bench-sinks reference docs pictures release-check check format lint types audit lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## make .venv and nothing else

.uv/bin/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt

$(VENV)/.installed: requirements/dev.txt pyproject.toml $(filter .uv/bin/uv,$(UV))
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## index a wiki and search it: the sandbox, or your own with CONFLUENCE_URL, _USER, _TOKEN, _SPACE
	@$(BIN)/python -m airflow_provider_confluence.testing.demo

test: install ## run the tests
	$(BIN)/pytest -n 4 --no-loadscope-reorder --ignore tests/install --ignore tests/ui --ignore tests/celery $(PYTEST_ARGS)

test-install: install ## test the built wheel in clean environments: oldest and newest dependencies, every Python there is (some minutes)
	$(BIN)/pytest -n 2 --no-loadscope-reorder tests/install $(PYTEST_ARGS)

test-ui: install ## test the page in the UI with a real Airflow and Chromium; its pictures are left in test-output/ui
	$(BIN)/pytest tests/ui $(PYTEST_ARGS)

test-celery: install ## test an Airflow with two Celery workers that share no folder, of which one is killed (two minutes)
	$(BIN)/pytest tests/celery $(PYTEST_ARGS)

HISTORIES ?= 200
SEED ?=
soak: install ## play HISTORIES=200 random histories against both editions; SEED=N plays known ones again
	@$(BIN)/python -m tests.soak.run --histories $(HISTORIES) $(if $(SEED),--seed $(SEED))

READER_MODELS ?= 250
readers: install ## search READER_MODELS=250 random wikis of each edition as everybody who is in them, and compare with who may read what
	READER_MODELS=$(READER_MODELS) $(BIN)/pytest -n 2 tests/sync/test_readers_anywhere.py -o timeout=600 $(PYTEST_ARGS)

conformance: install ## hold every sink to the conformance suite and print a table
	@$(BIN)/python -m tests.sinks.table

bench-content: install ## how fast bodies become Markdown, beside what parsing alone costs
	@$(BIN)/python -m benchmarks.content

# MARKDOWN=docs/performance.md (or another file) keeps the table of bench or bench-peers there, with machine and date.
MARKDOWN ?=
KEPT = $(if $(MARKDOWN),--markdown $(MARKDOWN))
PARTS ?=
bench: install ## measure speed and size beside their references, in one table (PARTS="first-load later-runs memory whole-run dag-file"; PARTS=million takes a quarter of an hour)
	@$(BIN)/python -m benchmarks.suite $(KEPT) $(PARTS)

PEERS ?=
bench-peers: install ## measure other people's readers beside ours, each in an environment of its own (PEERS="langchain llamaindex unstructured")
	@$(BIN)/python -m benchmarks.peers --uv $(UV) $(KEPT) $(PEERS)

bench-units: install ## measure what a page and a run cost, for docs/sizing.md (PARTS="pages indexes airflow"; some minutes)
	@$(BIN)/python -m benchmarks.units $(PARTS)

ARGS ?= --pages 100000
sizing: install ## reckon what a wiki needs (ARGS="--pages 300000 --interval 15m", see docs/sizing.md)
	@$(BIN)/python -m benchmarks.sizing $(ARGS)

SINKS ?=
bench-sinks: install ## how fast the index step fills each sink, beside its client library alone, and its memory (SINKS="local postgres")
	@$(BIN)/python -m benchmarks.sinks $(SINKS)

reference: install ## write the settings' JSON Schema and the configuration page from the code
	@$(BIN)/python -m airflow_provider_confluence.configuration

docs: $(VENV)/.docs ## make the site in build/docs, warnings are errors (Python 3.11 or newer)
	$(BIN)/sphinx-build -W --keep-going -n -q -c docs . build/docs

$(VENV)/.docs: $(VENV)/.installed requirements/docs.txt
	@$(BIN)/python -c 'import sys; sys.exit("make docs needs Python 3.11 or newer: make clean docs PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/docs.txt
	@touch $@

release-check: install ## build wheel and source distribution as for PyPI, and check them line by line (ONLINE=1: links to elsewhere too, QUICK=1: without installing)
	@$(BIN)/python -m tests.release

pictures: install ## take the pictures of the pages anew: a sandbox wiki, a real Airflow, Chromium (apt-get install chromium; 5 minutes)
	$(BIN)/python docs/pictures/make.py

check: format lint types test ## format, lint, types, tests, known vulnerabilities of what is pinned: the one command before a commit
	$(PIP_AUDIT) -r $(AUDITED)
	@echo 'What is listed above with a "Skip Reason" was NOT AUDITED, because PyPI did not answer for it; make audit fails there.'

format: install ## format the code
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --select I --fix --quiet $(SOURCES)

lint: install ## lint the code
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

types: install ## check the types
	$(BIN)/mypy

# As check asks, but silence is not taken for safety: a package for which PyPI does not answer is a failure.
AUDITED ?= requirements/dev.txt
PIP_AUDIT = $(UV) tool run pip-audit@2.10.1 --require-hashes --disable-pip
audit: install ## look the pinned packages up in PyPI's advisories (needs the network; fails loudly without)
	$(PIP_AUDIT) --strict -r $(AUDITED)

lock: .uv/bin/uv ## compile requirements/ anew
	.uv/bin/uv pip compile pyproject.toml --group dev --all-extras --universal --python-version 3.10 --generate-hashes \
	  --no-emit-index-url --no-annotate --quiet --upgrade --custom-compile-command "make lock" -o requirements/dev.txt
	.uv/bin/uv pip compile pyproject.toml --group celery --extra opensearch -c requirements/dev.txt --universal --python-version 3.10 \
	  --generate-hashes --no-emit-index-url --no-annotate --quiet --upgrade --custom-compile-command "make lock" -o requirements/celery.txt
	.uv/bin/uv pip compile --group docs -c requirements/dev.txt --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --quiet --upgrade --custom-compile-command "make lock" -o requirements/docs.txt
	for peer in requirements/peers/*.in; do .uv/bin/uv pip compile $$peer --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --quiet --upgrade --custom-compile-command "make lock" -o $${peer%.in}.txt || exit 1; done

clean: ## remove what make made
	rm -rf .venv .uv .demo build dist test-output .pytest_cache .mypy_cache .ruff_cache
