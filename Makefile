# Two commands for a newcomer: `make app` and `make test`.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# requirements*.txt are what people read and change; `make lock` writes of them, with the digest of every file that the
# index offers, what is installed: nothing else is.
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"
# `make test JOBS="-n 2 --dist loadfile"` tests files side by side: faster, and tests that bound time may miss their bounds.
JOBS ?=
# Where this is set, each of the hundreds of processes that the tests start compiles torch and gradio again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: app test lint bench lock
app: $(VENV)/.app
	$(BIN)/python app.py

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(JOBS)

lint: $(VENV)/.dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

lock: | $(BIN)/uv
	$(LOCK) requirements-uv.txt -o requirements-uv.lock
	$(LOCK) requirements.txt -o requirements.lock
	$(LOCK) requirements-dev.txt -c requirements.lock -o requirements-dev.lock

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-uv.lock

$(VENV)/.app: requirements.lock | $(BIN)/uv
	$(UV) -r requirements.lock
	touch $@

$(VENV)/.dev: requirements-dev.lock requirements.lock | $(BIN)/uv
	$(UV) -r requirements-dev.lock
	touch $@
