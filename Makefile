# All targets run in a bare checkout. They need only make and Python >= 3.11 (PYTHON=… selects the interpreter).
.DEFAULT_GOAL := help
.PHONY: help env demo clean test check lint bench fault chaos browser docs site reference changelog dist wheels serve

PY := .venv/bin/python
OFFTAKE := .venv/bin/offtake
OFFTAKE_HOME ?= ./offtake-home
ARGS ?=

# The caller's Python environment must not affect the targets. Without bytecode, every command would start slowly.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

env: ## create or update .venv from uv.lock (all other targets run this first)
	@sh tools/bootstrap.sh

demo: env ## show sample data, a real server, exports of every report and format, and a table of results
	@$(PY) tools/demo.py $(ARGS)

clean: ## remove what make demo, make bench and the tests leave in the checkout (about 3 GB); no environment, no other home
	@if test -e demo-home && ! test -f demo-home/.made-by-demo; then \
		echo "make clean: demo-home was not made by make demo; remove it yourself." >&2; exit 2; fi
	rm -rf demo-home .bench .hypothesis .schemathesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache dist site .site

test: env ## run every test, on up to 4 cores (ARGS="-k word" passes options to pytest)
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: env ## check format, lint rules, strict types and import contracts
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports

check: lint ## run lint and the fast tests (tests/unit, tests/catalogue); run it before every commit
	@$(PY) -m pytest tests/unit tests/catalogue $(ARGS)

bench: env ## measure speed and memory, and compare them with the budgets (takes minutes; prints a table)
	@$(PY) tools/bench.py $(ARGS)

docs: env ## run the tests that execute the manual
	@$(PY) -m pytest tests/docs $(ARGS)

site: env ## build the manual as a web site with search into ./site; it needs no other host
	@$(PY) tools/site_of_the_manual.py $(ARGS)

reference: env ## write the pages of the manual that are generated from the code
	@$(PY) tools/reference.py $(ARGS)

changelog: env ## move the changelog fragments into CHANGELOG.md as the section of this version (ARGS=--draft only prints it)
	@.venv/bin/towncrier build --version "$$($(PY) -c 'from importlib.metadata import version; print(version("offtake"))')" $(ARGS)

dist: env ## build wheels and source distributions of the server and the client into ./dist
	@$(PY) tools/distributions.py $(ARGS)

wheels: env ## build them, and use them in empty environments on each supported Python that the machine has (takes minutes)
	@$(PY) tools/distributions.py --use $(ARGS)

serve: env ## run the server on ./offtake-home (or OFFTAKE_HOME=…); create the home folder if it is missing
	@test -f "$(OFFTAKE_HOME)/offtake.toml" || $(OFFTAKE) init --home "$(OFFTAKE_HOME)"
	@exec $(OFFTAKE) serve --home "$(OFFTAKE_HOME)" $(ARGS)

# $(call run_tests,folder,what): run the tests in tests/<folder>; fail with a message if there are none.
define run_tests
	@if find tests/$(1) -name 'test_*.py' 2>/dev/null | grep -q .; then exec $(PY) -m pytest tests/$(1) $(ARGS); \
	else echo "make $(1): there are no $(2) yet." >&2; exit 2; fi
endef

fault: env ## run the tests that kill processes, cut connections, fill disks and slow services down
	$(call run_tests,fault,fault tests)

chaos: env ## run many jobs under random kill -9 (ARGS="--jobs 1000 --state postgresql --executor temporal"; takes minutes)
	@PYTHONPATH=. $(PY) tools/chaos.py $(ARGS)

browser: env ## run the browser tests of the console
	$(call run_tests,browser,browser tests (the console does not exist))
