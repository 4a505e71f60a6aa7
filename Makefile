# What a fresh machine needs is Python 3.10 or later, with venv. Node is taken from the system if
# it is there, and from PyPI if not.

PYTHON ?= python3
PORT ?= 5000
VENV := .venv
BIN := $(VENV)/bin
WEB := $(shell find web clients/js -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install demo protocol test lint types test-web test-python test-soak audit bench lock clean

help:
	@echo "make demo    run the example study; prints the dashboard's address (PORT=5001 for another port)"
	@echo "make test    everything that CI checks"
	@echo "make test-soak  hundreds of clients that come, go and stall, for a minute each (SOAK_SECONDS=60);"
	@echo "             apps, servers and networks that are killed (CHAOS_SEED=1)"
	@echo "make audit   known weaknesses of what is installed; needs the network"
	@echo "make bench   figures as ratios: to the predecessor, bare aiohttp, and Node; needs wrk"
	@echo "make protocol  renew the TypeScript types of the wire contract"
	@echo "make lock    renew the lock file of the development environment"
	@echo "make clean   remove what make has installed and built"

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml .ci/requirements.txt $(WEB)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .ci/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: install
	$(BIN)/experiment-server run examples/pointing-task/experiment.toml --app examples/pointing-task/app --port $(PORT)

protocol: install
	$(BIN)/python web/generate_types.py

test: lint types test-web test-python

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install
	$(BIN)/mypy

test-web: install
	npm --prefix web run check
	npm --prefix web run test

test-python: install tests/clients/node/node_modules/installed clients/js/dist/index.js \
  examples/jspsych-flanker/app/vendor/jspsych.js .venv-predecessor/installed
	$(BIN)/python -m pytest -n auto --dist worksteal --cov

test-soak: install tests/clients/node/node_modules/installed clients/js/dist/index.js
	$(BIN)/python -m pytest -m soak tests/soak tests/clients/test_chaos.py -s

audit: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/pip-audit --require-hashes --disable-pip -r .ci/requirements.txt
	npm --prefix web audit --omit=dev

tests/clients/node/node_modules/installed: tests/clients/node/package-lock.json $(VENV)/installed
	npm --prefix tests/clients/node ci --no-fund --no-audit
	@touch $@

clients/js/dist/index.js: clients/js/package-lock.json $(shell find clients/js/src -type f) $(VENV)/installed
	npm --prefix clients/js ci --no-fund --no-audit
	npm --prefix clients/js run build

examples/jspsych-flanker/app/vendor/jspsych.js: $(addprefix examples/jspsych-flanker/,package-lock.json build.mjs) $(VENV)/installed
	npm --prefix examples/jspsych-flanker ci --no-fund --no-audit
	npm --prefix examples/jspsych-flanker run build

# The predecessor, as a black box to compare with. Without it (no network) its test skips.
.venv-predecessor/installed:
	-$(PYTHON) -m venv .venv-predecessor && \
	  .venv-predecessor/bin/python -m pip install --quiet --disable-pip-version-check experiment-server==0.3.9 && \
	  touch $@

bench: install .venv-predecessor/installed tests/clients/node/node_modules/installed
	$(BIN)/python tests/benchmarks/bench_moves.py
	$(BIN)/python tests/benchmarks/bench_results.py
	$(BIN)/python tests/benchmarks/bench_broadcast.py
	$(BIN)/python tests/benchmarks/bench_memory.py
	$(BIN)/python tests/benchmarks/bench_start.py
	$(BIN)/python tests/benchmarks/bench_rehearsal.py
	$(BIN)/python tests/benchmarks/bench_dashboard.py
	$(BIN)/python tests/benchmarks/bench_engine.py

lock: $(VENV)/installed
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.10 --upgrade \
	  --generate-hashes --custom-compile-command "make lock" --quiet --output-file .ci/requirements.txt

clean:
	rm -rf $(VENV) .venv-predecessor web/node_modules tests/clients/node/node_modules \
	  clients/js/node_modules clients/js/dist \
	  examples/jspsych-flanker/node_modules examples/jspsych-flanker/app/vendor \
	  experiment_server/server/dashboard dist
