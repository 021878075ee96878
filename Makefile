# Set-up and daily commands of textsep_lab; `make` alone lists them.
# Works with GNU make 3.81 (the one on macOS) and later. Needs Python 3.10, 3.11 or 3.12.

VENV := .venv
FITS := import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))
PYTHON ?= $(shell for p in python3.12 python3.11 python3.10 python3 python; do \
	$$p -c '$(FITS)' >/dev/null 2>&1 && { echo $$p; break; }; done)
NO_PYTHON = textsep_lab needs Python 3.10, 3.11 or 3.12 with its venv module (Debian and Ubuntu: \
	apt install python3-venv) and $(if $(PYTHON),$(PYTHON) is not one,finds none): install one, or \
	name it with make PYTHON=/path/to/python3.11
TORCH_INDEX ?=
PIP_INSTALL = $(VENV)/bin/python -m pip install --disable-pip-version-check -c constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

# One stamp for each set of packages: an install runs again only after a change of these files.
PINS := pyproject.toml constraints.txt $(VENV)/bin/python
CORE := $(VENV)/.installed-core
TEST := $(VENV)/.installed-test
LAB := $(VENV)/.installed-lab
DOCS := $(VENV)/.installed-docs

.DEFAULT_GOAL := help
.PHONY: help demo app lab test notebooks lint format docs constraints clean
.DELETE_ON_ERROR:

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "PYTHON=...       the Python to build .venv with (3.10 to 3.12; default: the first found)"
	@echo "TORCH_INDEX=...  one more package index for torch. On Linux plain torch is the CUDA build"
	@echo "                 of several GB; the small CPU build comes with"
	@echo "                 make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu"

demo: $(CORE) ## Install what is needed into .venv (first time only), then run the demo
	$(VENV)/bin/textsep demo

app: $(LAB) ## Install the page into .venv (first time only), then open it in the browser
	$(VENV)/bin/textsep app

lab: $(LAB) ## Install JupyterLab into .venv (first time only), then open the notebooks
	$(VENV)/bin/python -m jupyter lab notebooks

test: lint ## Install the test tools into .venv (first time only); lint, unit tests, doctests, notebooks
	$(VENV)/bin/python -m pytest
	$(VENV)/bin/python -m pytest --nbval-lax --nbval-cell-timeout=300 notebooks

notebooks: $(TEST) ## Run all chapters and keep their outputs
	$(VENV)/bin/textsep notebooks save

lint: $(TEST) ## Check style, formatting, the floors of the house and types, changing nothing
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m mypy

format: $(TEST) ## Format the code and mend what the linter can mend
	$(VENV)/bin/python -m ruff check --fix .
	$(VENV)/bin/python -m ruff format .

docs: $(DOCS) ## Build the pages on the code into site/, warnings being errors
	$(VENV)/bin/python -m mkdocs build --strict

constraints: ## Resolve constraints.txt anew, torch kept (needs uv on the PATH and the network)
	echo 'torch==2.13.0' | uv pip compile --universal --python-version 3.10 --quiet --no-header \
		--no-annotate --extra test --extra docs --extra laion pyproject.toml - --output-file constraints.new --upgrade
	{ grep '^#' constraints.txt; grep -vE '^(nvidia|cuda|triton|httpx2-jsfetch)' constraints.new; } \
		> constraints.part
	mv constraints.part constraints.txt
	rm constraints.new

clean: ## Remove .venv, caches, builds and reports/demo (keeps downloaded data and runs/)
	rm -rf $(VENV) build dist reports/demo .pytest_cache .ruff_cache .hypothesis .mypy_cache .import_linter_cache site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@'$(PYTHON)' -c '$(FITS)' >/dev/null 2>&1 || { echo '$(NO_PYTHON)' >&2; exit 1; }
	'$(PYTHON)' -m venv $(VENV)

$(CORE): $(PINS)
	$(PIP_INSTALL) -e '.[evaluate]'
	@touch $@

$(TEST): $(PINS)
	$(PIP_INSTALL) -e '.[test]'
	@touch $@ $(CORE)

$(LAB): $(PINS)
	$(PIP_INSTALL) -e '.[lab,demo]'
	@touch $@ $(CORE)

# With ruff, mkdocstrings breaks long signatures into lines.
$(DOCS): $(PINS)
	$(PIP_INSTALL) -e '.[docs]' ruff
	@touch $@
