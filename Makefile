# The two commands of the README. Each sets up .venv first where it is missing or out of date.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: proofs smoke test

smoke: .venv/ready
	$(BIN)/python -m hycojax.train experiments/smoke.py

test: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

# The tables that take hours, into docs/results.md. Goes on where it was stopped.
proofs: .venv/ready
	$(BIN)/python -m profiling.proofs

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@
