# Everything from a bare checkout: the machine needs make and Python >= 3.11 (PYTHON=… picks one), nothing else.
.DEFAULT_GOAL := help
.PHONY: help env demo test check lint bench fault chaos browser docs reference serve

PY := .venv/bin/python
OFFTAKE := .venv/bin/offtake
OFFTAKE_HOME ?= ./offtake-home
ARGS ?=

# The caller's own environment must not leak into ours; and without bytecode every command would start slowly.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

env: ## create or refresh .venv from uv.lock (every other target does it first)
	@sh tools/bootstrap.sh

demo: env ## sample data, a real server, exports of every report and format, a table of results
	@$(PY) tools/demo.py $(ARGS)

test: env ## every test, on all cores (ARGS="-k word" passes options to pytest)
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

lint: env ## format, lint rules, strict types, import contracts
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports

check: lint ## lint, and the tests that need no server: run it before every commit
	@$(PY) -m pytest tests/unit tests/catalogue $(ARGS)

bench: env ## measure speed and memory against the budgets (minutes; prints a table)
	@$(PY) tools/bench.py $(ARGS)

docs: env ## the tests that execute the manual
	@$(PY) -m pytest tests/docs $(ARGS)

reference: env ## write the pages of the manual that are made from the code
	@$(PY) tools/reference.py $(ARGS)

serve: env ## run the server on ./offtake-home (OFFTAKE_HOME=… names another), made if missing
	@test -f "$(OFFTAKE_HOME)/offtake.toml" || $(OFFTAKE) init --home "$(OFFTAKE_HOME)"
	@exec $(OFFTAKE) serve --home "$(OFFTAKE_HOME)" $(ARGS)

# $(call part,folder,what): run the tests of a part, or say that it does not exist yet.
define part
	@if find tests/$(1) -name 'test_*.py' 2>/dev/null | grep -q .; then exec $(PY) -m pytest tests/$(1) $(ARGS); \
	else echo "make $(1): there are no $(2) yet." >&2; exit 2; fi
endef

fault: env ## the tests that kill, cut, fill and slow things down
	$(call part,fault,fault tests)

chaos: env ## many jobs under random kill -9 (ARGS="--jobs 1000 --state postgresql --executor temporal"; minutes)
	@PYTHONPATH=. $(PY) tools/chaos.py $(ARGS)

browser: env ## the tests that drive the console in a browser
	$(call part,browser,browser tests (the console does not exist))
