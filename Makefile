# Two commands do everything: `make run` and `make test`. Both set up .venv first and only when needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .

.DEFAULT_GOAL := help

.PHONY: help run dev test test-fast check fix docs bench audit lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { echo "Python 3.11 to 3.14 is needed; name one: make PYTHON=python3.13 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.panel: requirements/panel.txt pyproject.toml | $(BIN)/python
	@echo "Setting up $(VENV) (a minute or two, once)"
	$(PIP) -r requirements/panel.txt
	$(INSTALL)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Setting up $(VENV) (a minute or two, once)"
	$(PIP) -r requirements/dev.txt
	$(INSTALL)
	@touch $@ $(VENV)/.panel

run: $(VENV)/.panel ## Start the panel on http://127.0.0.1:8080 with everything it needs
	$(BIN)/python -m app.panel

dev: $(VENV)/.dev ## Start the panel, and restart it at each change of code, templates or static files
	$(BIN)/python -m watchfiles --filter all "$(BIN)/python -m app.panel" app pipeline templates static

check: $(VENV)/.dev ## Format, lint, strict types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# The tests of a file stay in one process. Those that need an engine or a browser share it, so they run one after another.
test: check ## Run check, then all tests
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not docker and not browser"
	$(BIN)/python -m pytest -m "docker or browser"

test-fast: $(VENV)/.dev ## Run the tests that start no process, browser or engine
	$(BIN)/python -m pytest -n 2 -m "not process and not browser and not docker and not slow"

fix: $(VENV)/.dev ## Format, and apply automatic fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.dev ## Write docs/errors.md and docs/settings.md from the code
	$(BIN)/python docs/generate.py

bench: $(VENV)/.dev ## Measure, and write the table in docs/bench.md
	$(BIN)/python -m bench

audit: $(VENV)-audit/.done ## Compare the locked packages with a feed of known vulnerabilities (needs the network)
	$(VENV)-audit/bin/python requirements/audit.py $(AUDIT_FEED)

$(VENV)-audit/.done: requirements/audit.txt
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/audit.txt
	@touch $@

lock: ## Resolve the requirements again (needs uv)
	uv pip compile pyproject.toml --extra dev --group checkout -o requirements/dev.txt --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate
	uv pip compile pyproject.toml --group checkout -c requirements/dev.txt -o requirements/panel.txt --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate
	uv pip compile --group sbom -o requirements/sbom.txt --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate
	uv pip compile --group audit -o requirements/audit.txt --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate
	uv pip compile --group serve -c requirements/dev.txt -o requirements/serve.txt --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --no-annotate

clean: ## Remove .venv and caches; data stays
	rm -rf $(VENV) $(VENV)-audit .mypy_cache .ruff_cache .pytest_cache
