# `make sweep` on a fresh machine is all it takes. Further arguments go into ARGS: make test ARGS="-k recipe", make sweep ARGS="--trials 8".

SHELL := bash

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXPERIMENT ?= experiments/branched.yaml
ARGS ?=
# Three processes keep two cores busy, since many tests wait for a server or a process; more cores take more of them.
PROCESSES ?= $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) * 3 / 2 )))
FUZZ_SECONDS ?= 100
FAULTS ?= 40

.PHONY: help sweep test slow fuzz faults check docs bench ui lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

sweep: $(READY) ## run the main experiment (EXPERIMENT=file, DATA=table, ARGS="more arguments")
	@$(BIN)/branchsweep run $(EXPERIMENT) $(if $(DATA),--data "$(DATA)") $(ARGS)

test: $(READY) ## run the tests (BRANCHSWEEP_TEST_TABLE=path of the real table)
	@$(BIN)/pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

slow: $(READY) ## run the tests that take minutes: faults, a cluster with a server, the article's experiment
	@$(BIN)/pytest -m slow -n $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

fuzz: $(READY) ## change YAML files, tables and records at random for ten minutes (FUZZ_SECONDS for each kind)
	@BRANCHSWEEP_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/pytest -n 2 --dist loadfile tests/fuzz $(ARGS)
	@$(BIN)/python tests/fuzz/coverage_guided.py $(FUZZ_SECONDS)

faults: $(READY) ## kill, stop, fill and cut off at 40 random moments (FAULTS), and write the figures into docs/reliability.md
	@BRANCHSWEEP_FAULTS=$(FAULTS) $(BIN)/pytest -m in_full tests/end_to_end/faults $(ARGS)

check: $(READY) ## formatter, linter, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

docs: $(READY) ## build the documentation site into site/; a warning is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict $(ARGS)

bench: $(READY) ## list the benchmarks
	@for file in benchmarks/[a-z]*.py; do \
	  if [ -e "$$file" ]; then echo "$(BIN)/python -m benchmarks.$$(basename "$$file" .py)"; fi; \
	done

ui: $(READY) ## show the sweeps in MLflow's UI
	@$(BIN)/branchsweep ui $(ARGS)

lock: $(READY) ## pin all libraries again in requirements.lock (ARGS=--upgrade: to the newest)
	@$(BIN)/uv pip compile pyproject.toml --extra dev --extra docs --extra draw --universal --python-version 3.11 --fork-strategy fewest \
	  --generate-hashes --no-header --no-annotate --quiet --output-file requirements.lock $(ARGS)

clean: ## remove the environment and caches; sweeps and data stay
	@rm -rf $(VENV) build dist site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment: pinned libraries, this project in editable form, and bytecode of everything, without which TensorFlow
# takes four times as long to import. Some packages ship templates that are no Python; those are left alone.
$(READY): requirements.lock pyproject.toml
	@if [ ! -x $(BIN)/python ]; then \
	  for python in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
	    if "$$python" -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1; \
	    then exec "$$python" -m venv $(VENV); fi; \
	  done; \
	  echo 'make: no Python found. branchsweep needs Python 3.11, 3.12 or 3.13 with its venv module (on Debian and' \
	    'Ubuntu: apt install python3-venv); or name one: make PYTHON=/path/to/python3.11' >&2; \
	  exit 1; \
	fi
	@echo "installing $$(grep -c '==' requirements.lock) pinned libraries into $(VENV): a few minutes, once" >&2
	@set -o pipefail; \
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile --require-hashes --requirement requirements.lock \
	  | awk -v watched="$$([ -t 2 ] && echo yes)" \
	    'watched && /^Collecting|^Requirement already/ { printf "\r  %d", ++count > "/dev/stderr" } \
	     watched && /^Installing/ { printf "\r  unpacking" > "/dev/stderr" } \
	     END { if (watched) printf "\r             \r" > "/dev/stderr" }'
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@echo "compiling them" >&2
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib >/dev/null 2>&1 || true
	@touch $@
