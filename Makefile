# make demo | test | check | bench | chaos | soak | crash: each makes its own .venv when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check bench chaos soak crash reference services clean

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(STAMP)
	@$(BIN)/python examples/demo.py

test: $(STAMP)
	@$(BIN)/python -m pytest

check: $(STAMP)
	@$(BIN)/ruff check src tests benchmarks examples
	@$(BIN)/ruff format --check src tests benchmarks examples
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: $(STAMP)
	@$(BIN)/python -m benchmarks

chaos: $(STAMP)
	@CHAOS_SECONDS=60 $(BIN)/python -m pytest tests/soak/test_chaos.py

soak: $(STAMP)
	@SOAK_MESSAGES=5000000 SOAK_SPAWNS=500000 $(BIN)/python -m pytest tests/soak/test_soak.py

crash: $(STAMP)
	@CRASHES=200 $(BIN)/python -m pytest tests/registry/test_crash.py

reference: $(STAMP) # the pages that are generated from declarations
	@$(BIN)/python -m wippy.lua.modules.reference docs/reference
	@$(BIN)/python -m wippy.schema.pages docs/reference
	@$(BIN)/python -m wippy.cli.reference docs/reference

services: # the servers that tests start for themselves (Debian, as root)
	@apt-get update -qq
	@DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql tmux

clean:
	@rm -rf $(VENV)
