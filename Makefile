# demo, test and check each make .venv when it is not there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where pip takes torch from, besides the default index. A laptop saves gigabytes with
#   make test TORCH_INDEX=https://download.pytorch.org/whl/cpu
# and a GPU machine names the CUDA build's index in the same way; the pin is the same.
TORCH_INDEX ?=
TORCH_FLAGS := $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX) --extra-index-url https://pypi.org/simple)

.PHONY: demo test check venv conformance lock clean

venv: $(VENV)/.ready

# torch first and alone, so that its index serves it and nothing else
$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH_FLAGS) "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: venv  ## play the main job in the sandbox, then stay up for you
	$(BIN)/python -m sandbox demo

test: venv  ## run all tests
	$(BIN)/python -m pytest

check: venv  ## lint, types, borders
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

conformance: ## fetch discord.js, which the sandbox is held against (needs node)
	cd tests/sandbox/conformance && npm ci --no-audit --no-fund

lock: ## write requirements.lock anew from pyproject.toml
	$(PYTHON) -m venv .lock-venv
	.lock-venv/bin/pip install --quiet "torch==2.13.0" && .lock-venv/bin/pip install --quiet -e '.[trainer,dev]'
	.lock-venv/bin/pip freeze --exclude-editable | sed 's/+cpu$$//; s/+cu[0-9]*$$//' > requirements.lock
	rm -rf .lock-venv

clean:
	rm -rf $(VENV) demo-out .mypy_cache .ruff_cache .pytest_cache
