# The few verbs of this project; each is one command of the same name elsewhere too. `make` alone lists them.
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)
VENV := .venv/bin
ifdef SCALE
export HUIYANG_SCALE := $(SCALE)
endif

.DEFAULT_GOAL := help
.PHONY: help lock up down status logs test test-postgres15 test-full lint features bench clean \
	environment-run environment-lint environment-test environment-test15

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

environment-run environment-lint environment-test environment-test15: environment-%:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or 3.12 found. Name one: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@$(PYTHON) -m huiyang.platform.bootstrap $*

up: environment-run ## set everything up and serve; SCALE=census or SCALE=city for more people
	@$(VENV)/huiyang up

down: ## stop everything; data stays
	@$(VENV)/huiyang down

status: ## what runs, and how it is
	@$(VENV)/huiyang status

logs: ## the ends of all logs
	@$(VENV)/huiyang logs

test: environment-test ## all tests but the long ones
	@$(VENV)/python -m pytest -m "not slow"

test-postgres15: environment-test15 ## what depends on the server, on Debian's PostgreSQL 15
	@HUIYANG_TEST_POSTGRES=15 $(VENV)/python -m pytest -m "any_postgres and not slow" tests/integration

test-full: environment-test15 ## also kill campaigns, fuzzing and city scale, and the integration tests on PostgreSQL 15
	@$(VENV)/python -m pytest
	@HUIYANG_TEST_POSTGRES=15 $(VENV)/python -m pytest -m "not slow" tests/integration

lint: environment-lint ## ruff, mypy, sqlfluff, yamllint, what may be tracked
	@$(VENV)/ruff check .
	@$(VENV)/ruff format --check .
	@$(VENV)/mypy
	@$(VENV)/sqlfluff lint --disable-progress-bar dbt_project cockpits
	@$(VENV)/yamllint --strict .
	@$(VENV)/python -m huiyang.platform.tracked_files

features: environment-lint ## the plan's 101 functions with the tests that prove each
	@$(VENV)/python -m tests.features

bench: environment-test ## measure, and write docs/benchmarks.md; the pages: python -m tests.benchmarks.pages
	@$(VENV)/huiyang bench

lock: environment-run ## resolve requirements/*.in again, after a change of one
	@cd requirements && for lock in "dev.in -o dev.txt" "main.in -c dev.txt -o main.txt" "superset.in -o superset.txt" \
		"bootstrap.in -o bootstrap.txt"; do ../.tools/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url \
		--no-header --universal --python-version 3.11 $$lock > /dev/null || exit 1; done

clean: ## delete this installation's data and environments
	@if [ -x $(VENV)/huiyang ]; then $(VENV)/huiyang down; fi
	rm -rf var .venv .venv-superset .tools operational_app/frontend/node_modules
