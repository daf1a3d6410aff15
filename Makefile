# The two commands of the README: `make demo` and `make test`. Everything lives in .venv; nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test check faults bench bench-train bench-data bench-quality clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo: $(VENV)/demo ## tune a small model on the code that is installed here, gate it, serve it, ask it
	$(BIN)/tunesmith demo

test: $(VENV)/dev ## run the tests, on up to four cores
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: $(VENV)/dev ## format, lint, types and the walls between rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

faults: $(VENV)/dev ## kill runs at forty-eight moments and compare the bytes they end with
	$(BIN)/python -m tests.faults --kills 20
	$(BIN)/python -m tests.faults --kills 10 --recipe tests/passes.yaml
	$(BIN)/python -m tests.faults --kills 8 --recipe tests/adapters.yaml \
		--during writer --during adapted --during tuned --during tuned_adapter
	$(BIN)/python -m tests.faults --kills 10 --recipe tests/text.yaml \
		--during reader --during expert --during writer --during judge --during better

bench: $(VENV)/dev ## measure start-up and the quickstart on three seeds
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/quickstart.py

bench-train: $(VENV)/dev ## measure training beside TRL's trainers on a CPU (DATA=folder of banking77; bench/gpu.py is for a GPU)
	$(BIN)/python bench/train.py $(if $(DATA),--data $(DATA))

bench-data: $(VENV)/dev ## measure the data engine beside its peers, on Debian's documentation (ROWS=pii,memory for some)
	$(BIN)/python bench/data.py $(if $(ROWS),--rows $(ROWS))

bench-quality: $(VENV)/dev ## measure how well signals, edits and readers do on the data sets in the folder DATA
	$(BIN)/python bench/quality.py $(DATA)

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tunesmith needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing tunesmith with what the demo needs (torch is the largest part), and compiling its kernels ..."
	$(INSTALL) --editable .
	$(BIN)/python -m tunesmith.data.kernels & \
	$(INSTALL) torch==2.13.0 && $(INSTALL) --editable '.[train,evaluate,serve]' && wait
	@touch $@

$(VENV)/dev: $(VENV)/demo
	@echo "Installing what the tests need ..."
	$(INSTALL) --editable '.[all,dev]'
	@touch $@

clean: ## remove the environment and the workspace
	rm -rf $(VENV) workspace
