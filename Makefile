# Everything that one does with this checkout. `make` alone lists the targets.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
COMPILE := $(BIN)/uv pip compile --no-config --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --custom-compile-command "make requirements"

# Stamps: what is installed is as new as the file that lists it.
MADE := $(VENV)/.made
RUN := $(VENV)/.run
DEV := $(VENV)/.dev

# What `make compiled` makes, and who uses it: no checkout on the path before it.
SOURCES := $(sort $(shell find gslb -name '*.py'))
$(if $(filter-out yes no,$(COMPILED)),$(error COMPILED is yes or no, not $(COMPILED)))
ON_COMPILED := GSLB_TESTS_EXPECT=compiled PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/build/compiled
COMPILED_TESTS := $(addprefix tests/,http1 balance route proxy content render engine wire server zone fuzz test_contract.py) \
	$(wildcard tests/app/test_proxy*.py) \
	$(patsubst %,tests/app/test_%.py,node decisions suppose insight reload workers assemble serve)

export DESTDIR PREFIX DEPENDENCIES TARGET_PYTHON COMPILED

.DEFAULT_GOAL := help
.PHONY: help demo test test-compiled coverage check compiled format bench-dns bench-failover bench-l7 chaos-l7 fuzz geodata docs dist install requirements clean
.PHONY: demo-compose demo-compose-down test-compose
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

demo: $(RUN) ## run a name server, three regions and three agents on loopback; ARGS="--tour --redis" walks through it
	@$(BIN)/gslb demo $(ARGS)

demo-compose: ## the same in containers, each region in its own network; ARGS=--detach leaves it running
	@compose/demo.sh up $(ARGS)

demo-compose-down: ## take the demo in containers down
	@compose/demo.sh down

test-compose: ## the demo in containers: up, compose/tour.sh, down
	@compose/demo.sh test

test: check ## everything: make check, all tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

test-compiled: compiled ## the tests of what is compiled, on the compiled modules
	@$(ON_COMPILED) $(BIN)/pytest -o pythonpath=build/compiled --import-mode=append -n 2 --dist loadfile $(COMPILED_TESTS) $(ARGS)

coverage: $(DEV) ## all tests under branch coverage, which takes twice the CPU
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -n 2 --dist loadfile $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

check: $(DEV) ## lint, format, types, direction of imports
	@$(BIN)/ruff check --quiet . && echo "ruff check: clean"
	@$(BIN)/ruff format --quiet --check . && echo "ruff format: clean"
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(DEV) ## format the sources and mend what ruff can mend
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

bench-dns: compiled ## CPU per query, side by side with the installed name servers; writes JSON
	@$(BIN)/python -m tests.bench.dns $(ARGS)

bench-failover: $(DEV) ## from a backend's death to the first answer without it, over 30 kills, and back
	@$(BIN)/python -m tests.bench.failover $(ARGS)

bench-l7: compiled ## CPU per request and latency of the proxy, beside HAProxy, nginx and aiohttp; its memory
	@$(BIN)/python -m tests.bench.l7 $(ARGS)

chaos-l7: compiled ## steady load on the compiled proxy while backends die, hang and drain, and it reloads and restarts
	@$(ON_COMPILED):$(CURDIR) $(BIN)/python -m tests.chaos.l7 $(ARGS)

fuzz: $(DEV) ## ten minutes of bad messages; ARGS="--seconds 60" for less
	@$(BIN)/python -m tests.fuzz.wire $(or $(ARGS),--seconds 600)

GEO_SOURCE := /usr/share/tor
geodata: $(RUN) ## build geodata/country.mmdb again from Debian's tor-geoipdb
	@$(BIN)/gslb geo build --ipv4 $(GEO_SOURCE)/geoip --ipv6 $(GEO_SOURCE)/geoip6 \
		--output geodata/country.mmdb --description "Countries of the IPFire Location database \
	(https://location.ipfire.org, CC BY-SA 4.0) from Debian tor-geoipdb \
	$$(dpkg-query -W -f '$${Version}' tor-geoipdb)" $(ARGS)

docs: $(RUN) ## write docs/configuration.md, the manual pages and the completions
	@$(BIN)/python -m gslb.config.document
	@$(BIN)/python -m gslb.cli.manual
	@$(BIN)/python -m gslb.cli.completions

dist: $(if $(filter yes,$(COMPILED)),$(DEV),$(RUN)) ## build the wheel and the sdist in dist/; COMPILED=yes compiles the wheel, for machines like this one
	@rm -rf dist
	@if [ "$(COMPILED)" = yes ]; then $(MAKE) dist/compiled; else $(BIN)/python -m hatchling build; fi

compiled: build/compiled/.made ## the package with what a request passes through compiled to C, in build/compiled

build/compiled/.made: $(SOURCES) $(wildcard geodata/* zones/*) build/sources pyproject.toml $(DEV)
	@rm -rf build/compiled build/wheel
	@$(MAKE) build/wheel/compiled
	@$(PIP) install --no-deps --no-index --no-compile --target build/compiled build/wheel/*.whl
	@touch $@

build/sources: FORCE # a source that is no longer there must not stay in what was compiled
	@mkdir -p build && echo $(SOURCES) | cmp -s - $@ || echo $(SOURCES) >$@
FORCE:

# From the sdist, unpacked elsewhere: nothing compiled ever lies beside the sources, where it would run instead of them.
%/compiled: $(DEV)
	@$(BIN)/python -c 'import os, sysconfig as s; os.stat(s.get_path("include") + "/Python.h")' 2>/dev/null \
		&& command -v cc >/dev/null || { echo "compiling needs a C compiler (cc) and Python's headers; on Debian or" \
		"Ubuntu: apt install gcc python3-dev" >&2; exit 1; }
	@echo "compiling: two minutes or so"
	@$(BIN)/python -m hatchling build --target sdist --directory $*
	@HATCH_BUILD_HOOK_ENABLE_MYPYC=1 $(PIP) wheel --no-deps --no-build-isolation --no-cache-dir --wheel-dir $* $*/*.tar.gz

install: dist ## install for the whole machine; DESTDIR=... PREFIX=/usr, see docs/install.md
	@PYTHON=$(BIN)/python packaging/install.sh

requirements: $(DEV) ## pin the newest versions that pyproject.toml allows
	@$(COMPILE) --upgrade --extra build --extra compression pyproject.toml -o requirements.txt
	@$(COMPILE) --upgrade --extra build --extra compression --extra dev -c requirements.txt pyproject.toml \
		-o requirements-dev.txt

clean: ## remove all that the targets above have made
	rm -rf $(VENV) .coverage .coverage.* .hypothesis .mypy_cache .ruff_cache .pytest_cache
	rm -rf .import_linter_cache build dist compose/secrets compose/.env
	find gslb tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
		"gslb needs Python 3.11 or newer as $(PYTHON); another one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo \
		"gslb needs Python's venv module; on Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# The project itself is linked into the environment, so that the `gslb` command runs this checkout.
$(RUN): requirements.txt pyproject.toml gslb/__init__.py $(MADE)
	@echo "installing $$(grep -c '==' requirements.txt) pinned packages"
	@$(PIP) install --require-hashes -r requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.txt $(RUN)
	@echo "installing what the tests need ($$(grep -c '==' requirements-dev.txt) pinned packages in all)"
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@
