# Two commands for a newcomer: `make app` and `make test`.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# uv installs the same pins from the same index, several times faster than pip.
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python

.PHONY: app test lint bench
app: $(VENV)/.app
	$(BIN)/python app.py

test: $(VENV)/.dev
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv

$(VENV)/.app: requirements.txt | $(BIN)/uv
	$(UV) -r requirements.txt
	touch $@

$(VENV)/.dev: requirements-dev.txt requirements.txt | $(BIN)/uv
	$(UV) -r requirements-dev.txt
	touch $@
