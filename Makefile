# Everything runs from a bare clone with Python 3.11 or newer, make and the network.
#   PYTHON=python3.12                                       the interpreter of the virtual environment
#   TORCH_INDEX=https://download.pytorch.org/whl/cpu        an extra package index, for torch without CUDA on Linux

PYTHON ?= python3
TORCH_INDEX ?=

BIN := .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt
PINS := pyproject.toml constraints.txt
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test test-full lint bench docs clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' \
		| while IFS='|' read -r target text; do printf '%-16s %s\n' "$$target" "$$text"; done

demo: .venv/.installed-demo ## run the whole product once, then the paper's claims at the quick size; pages in build/demo
	$(ONE_THREAD) $(BIN)/deepcollapse demo --out build/demo
	$(BIN)/deepcollapse reproduce --size quick --store build/demo/store --out build/demo/claims

test: lint ## lint, then every test that takes seconds
	$(PYTEST) -m "not slow"

test-full: lint .venv/.installed-full ## lint, then every test, with the libraries of all integrations
	$(PYTEST)

lint: .venv/.installed-dev ## ruff, pyright, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

bench: .venv/.installed-dev ## time the computations; PEER=folder of the repository of neural_collapse compares it
	$(BIN)/python -m benchmarks $(if $(PEER),--peer $(PEER))
	$(BIN)/python -m benchmarks.store

docs: .venv/.installed-docs ## build the documentation into build/docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs

clean: ## remove the virtual environment and everything built
	rm -rf .venv build dist docs/gallery .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not sys.version_info >= (3, 11))' || \
		{ echo "deepcollapse needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed-demo: $(PINS) | .venv/bin/python
	$(INSTALL) -e ".[digits,data]"
	@touch $@

.venv/.installed-dev: $(PINS) | .venv/bin/python
	$(INSTALL) -e ".[dev]"
	@touch $@

.venv/.installed-full: $(PINS) | .venv/.installed-dev
	$(INSTALL) -e ".[dev,integrations]"
	@touch $@

.venv/.installed-docs: $(PINS) | .venv/bin/python
	$(INSTALL) -e ".[docs]"
	@touch $@
