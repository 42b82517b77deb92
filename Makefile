# One door for everything. `make` alone lists what there is.
# After any of these the command is .venv/bin/listener.

BIN := .venv/bin
export PYTHONUNBUFFERED := 1
# Where this is set, every process would compile all it imports anew: seconds for each command.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup dev demo up test check format bench accuracy torture lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install Listener and what it needs into .venv
	@tools/setup.sh

demo: setup ## start the service on a local sample web and print its address
	@$(BIN)/listener demo

up: setup ## start the empty service for real use
	@$(BIN)/listener up

dev: ## like setup, with the developers' tools
	@tools/setup.sh dev

test: dev ## run all tests, real PostgreSQL and real Chromium included
	@tools/browser.sh
	@LISTENER_CHROMIUM="$$(tools/browser.sh --path)" $(BIN)/pytest -n 2 --dist worksteal $(ARGS)

check: dev ## style, types, import contracts, migrations, names and docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/listener db check --fresh
	$(BIN)/pytest -q tests/test_conventions.py tests/test_docs.py

format: dev ## let ruff format the code and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: dev ## measure ingest and feed, each beside its floor
	@$(BIN)/python -m benchmarks $(ARGS)

accuracy: dev ## measure the reader and write docs/accuracy.md (ARGS="--data FOLDER" for all of it)
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python tools/accuracy.py $(ARGS)

torture: dev ## kill the service at random, 200 times per database, and count what is left
	@$(BIN)/pytest -m torture -p no:xdist --timeout 0 $(ARGS)

lock: dev ## write requirements*.txt anew (ARGS=--upgrade for newer versions)
	@tools/lock.sh $(ARGS)

clean: ## remove .venv and everything built; keeps var/
	rm -rf .venv node_modules build dist api/dashboard/static/vendor .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
