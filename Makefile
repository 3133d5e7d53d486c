# make help lists the targets.
SHELL := /bin/bash
PY := .venv/bin/python
AIRFLOW_PORT ?= 8080
MOODLE_PORT ?= 8088
COACHVIEW_PORT ?= 8090
export AIRFLOW_PORT MOODLE_PORT COACHVIEW_PORT
# Images that forbid bytecode would have each of the many processes compile this project anew.
export PYTHONDONTWRITEBYTECODE :=
# When code that reads a clock goes wrong: the last minute of a month, of a leap February and of a year, and both changes of
# the clock in Amsterdam; on a machine in UTC and on one in Amsterdam.
MOMENTS := 2026-11-30T23:59:30Z 2028-02-29T23:59:30Z 2026-12-31T23:59:30Z 2026-12-31T22:59:30Z,Europe/Amsterdam \
	2026-10-25T00:59:30Z,Europe/Amsterdam 2027-03-28T00:59:30Z,Europe/Amsterdam

FAST := $(wildcard tests/test_*.py) $(addprefix tests/,words mapping people matching access ledger web)
FAST := $(wildcard $(FAST))

.DEFAULT_GOAL := help
.PHONY: help demo demo-stop trial test coverage test-fast test-clock test-moodle scale-test lint audit format bench bench-quick docs requirements clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: ## people from a sandbox Coachview and from a file into two sandbox Moodles, in a real Airflow on 127.0.0.1
	@scripts/bootstrap.sh
	@$(PY) scripts/demo.py start

demo-stop: ## end what make demo left running
	@if [ -x $(PY) ]; then $(PY) scripts/demo.py stop; fi

test: ## all tests
	@scripts/bootstrap.sh dev
	@scripts/test_services.sh
	$(PY) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --durations=25
	@$(MAKE) --no-print-directory test-clock

# Tracing branches makes the pure tests twice as slow, so it is not a part of every run.
coverage: ## all tests once more, and the lines and branches that none of them reaches
	@scripts/bootstrap.sh dev
	@scripts/test_services.sh
	@rm -f .coverage .coverage.*
	$(PY) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered

test-fast: ## while working: the pure rooms, the ledger on SQLite, the web; a few minutes
	@scripts/bootstrap.sh dev
	$(PY) -m pytest -q -n 2 --dist loadfile -m "not slow and not postgres" $(FAST)

# PostgreSQL has a clock of its own, which nobody sets.
test-clock: ## the tests that read a clock, at each moment at which such code goes wrong
	@scripts/bootstrap.sh dev
	@files=$$(grep -rl --include='test_*.py' 'mark\.clock' tests | sort | tr '\n' ' '); printf '%s\n' $(MOMENTS) | xargs -P 2 -I {} \
		$(PY) -m pytest -q -m clock -k "not postgresql" -p no:cacheprovider --moment {} $$files

test-moodle: ## hook, loading and DAG tests on a real Moodle: make test-moodle MOODLE_URL=https://… MOODLE_TOKEN=… [MOODLE_COURSE=…]
	@scripts/bootstrap.sh dev
	@if [ -z "$$MOODLE_URL" ] || [ -z "$$MOODLE_TOKEN" ]; then echo "say: make test-moodle MOODLE_URL=https://moodle.example.org MOODLE_TOKEN=…" >&2; exit 2; fi
	$(PY) -m pytest -q -m any_moodle

lint: ## ruff and mypy
	@scripts/bootstrap.sh dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

audit: ## our own dangerous calls, the pinned set's licences and known holes, and whether it fits beside FAB
	@scripts/bootstrap.sh dev
	@scripts/audit.sh

format: ## let ruff format and mend what it can
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: ## every step at every size beside its peers: one table, written into docs/performance.md with its plots; wants an idle machine
	@scripts/bootstrap.sh dev
	$(PY) benchmarks/table.py --write

bench-quick: ## that the benchmarks run: the same table for very few people
	@scripts/bootstrap.sh dev
	$(PY) benchmarks/table.py --sizes 200

docs: ## what is generated: the mapping's JSON Schema and reference, the samples
	$(PY) scripts/make_docs.py

scale-test: ## two Celery workers without a shared disk, three Moodles, a worker killed: SCALE_PEOPLE=300 for a quick one
	@scripts/bootstrap.sh scale
	@CI=true scripts/test_services.sh postgresql redis-server
	@.venv-scale/bin/python scripts/scale_test.py

COMPILE := .venv/bin/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate --generate-hashes
requirements: ## pin the whole set anew from pyproject.toml; pins that still fit stay (rm the file first to renew them)
	$(COMPILE) pyproject.toml --extra postgres --extra sqlite --extra sftp --group pinned -o requirements.txt
	$(COMPILE) --group dev -c requirements.txt -o requirements-dev.txt
	$(COMPILE) pyproject.toml --extra scale -c requirements.txt -o requirements-scale.txt

clean: demo-stop ## remove everything that was made, .venv too
	rm -rf .venv .venv-scale .demo .scale .airflow build dist plugins/*.egg-info .coverage .coverage.* htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis
