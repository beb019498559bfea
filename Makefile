# make demo   hear what the shipped model can do (installs into .venv when needed)
# make test   every test          make lint   style, types, layers          make docs   the documentation site
# make train  train elsa-small    make results   measure it again and rewrite the tables
#
# On a machine where PyPI's torch would pull gigabytes of CUDA libraries you don't want:
#   make TORCH_INDEX=https://download.pytorch.org/whl/cpu demo

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check
# the data this project was trained and measured on; see docs/data.md
DATA ?= ../shared/data
JOBS ?= 2
# one thread a process: parallel tests don't fight over cores, and results don't depend on the machine
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
SOURCES := src tests tools examples benchmarks

.PHONY: demo test lint docs train results env dev clean

demo: $(VENV)/.installed
	$(BIN)/elsa demo --out out/demo --force

test: $(VENV)/.dev
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS)

lint: $(VENV)/.dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.dev
	$(BIN)/mkdocs build --strict

train: $(VENV)/.installed
	$(BIN)/elsa train elsa-small --data $(DATA) --out runs/elsa-small

# speed first and alone on the machine; the tables last, from all result files together
results: $(VENV)/.installed
	for name in embed index search serve hostile; do $(BIN)/python benchmarks/$$name.py --out results || exit 1; done
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/rooms.py --out results
	$(BIN)/elsa eval simulated eight two measured mono --data $(DATA) --out results
	$(BIN)/elsa eval --out results --readme README.md --docs docs --card src/open_elsa/weights/elsa-small

env: $(VENV)/.installed
dev: $(VENV)/.dev

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No python3 was found. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3 $(MAKECMDGOALS)"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old: Python 3.11 or newer is needed. Name one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

# torch first and alone, so that its build (CPU or CUDA) is the one chosen here
$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	$(PIP) install $(TORCH) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(PIP) install -r requirements.lock
	$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.installed
	$(PIP) install -r requirements-dev.lock
	@touch $@

clean:
	rm -rf $(VENV) site out runs
