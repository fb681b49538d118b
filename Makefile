# The commands of the README. Each sets up .venv first where it is missing or out of date.
PYTHON ?= python3
BIN := .venv/bin

# Tests that share a program run on one worker.
PYTEST = $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup

.PHONY: accuracy lint proofs quick smoke test

smoke: .venv/ready
	$(BIN)/python -m hycojax.train experiments/smoke.py

# What every change must pass, in minutes; `accuracy` holds the longer proofs.
test: lint
	$(PYTEST) -m "not accuracy"

accuracy: .venv/ready
	$(PYTEST) -m accuracy

# What a change in hand needs: lint, and the unit tests of the modules that differ.
quick: lint
	$(BIN)/python tests/quick.py --numprocesses auto --maxprocesses 4 --dist loadgroup

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The tables that take hours, into docs/results.md. Goes on where it was stopped.
proofs: .venv/ready
	$(BIN)/python -m profiling.proofs

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@
