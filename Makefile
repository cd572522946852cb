# On a fresh machine: `make train`, `make test`. Needs Python >= 3.10 with venv, and a package registry.
PYTHON ?= python3
# The version that development and tests use. A machine with a GPU may want its own: `make train TORCH=torch`.
TORCH  ?= torch==2.13.0
ARGS   ?=

BIN := .venv/bin

.PHONY: train test test-all mutants faults bench gpu check dist docs clean

train: .venv/installed
	$(BIN)/logan train $(ARGS)

# Several processes of one thread each are faster than one of several threads: most tests are small. Bytecode is kept, even
# where that is turned off, as in many containers: each of the processes would compile all tests and all that they import.
test: .venv/installed-dev
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" --numprocesses auto --maxprocesses 4 --dist worksteal $(ARGS)

test-all: .venv/installed-dev
	$(BIN)/python -m pytest $(ARGS)

# Break the code on purpose, in copies, and demand that `make test` notices: to be run when tests are thinned out.
# ARGS="penalty FID" plays those whose names have one of these in them.
mutants: .venv/installed-dev
	$(BIN)/python tests/mutations/run.py $(ARGS)

# Harm done on purpose, at length: damaged files of every kind that is read. ARGS=inputs plays one part; figures go to docs/results/trust.
faults: .venv/installed-dev
	OMP_NUM_THREADS=1 nice $(BIN)/python -m tests.faults $(ARGS)

# What a step costs on this machine; let nothing else run meanwhile. Figures go to bench/.
bench: .venv/installed
	mkdir -p bench
	for preset in ring grid digits; do \
		$(BIN)/logan bench step --preset $$preset --seconds 15 --out bench/$$preset.json || exit 1; done
	$(BIN)/logan bench step --preset cifar10 --precisions float32 bfloat16 --seconds 75 --out bench/cifar10.json

# What a machine with a GPU should be asked, in nine minutes; see docs/speed.md. ARGS="--data FOLDER --out docs/results/gpu-NAME".
# A machine that has torch already, and no network: make gpu RUN=python3.
RUN ?= $(BIN)/python
gpu: $(if $(filter $(BIN)/python,$(RUN)),.venv/installed-dev)
	$(RUN) benchmarks/gpu.py $(ARGS)

check: .venv/installed-dev
	$(BIN)/ruff check src tests docs examples benchmarks
	$(BIN)/ruff check --preview --select PLW1514 src examples benchmarks  # text of a named encoding: Windows has another
	$(BIN)/ruff format --check src tests examples benchmarks docs/*.py
	$(BIN)/mypy
	$(BIN)/lint-imports

# Wheel and source distribution in dist/, looked over as the package index does.
dist:
	test -x .venv-dist/bin/python || $(PYTHON) -m venv .venv-dist
	.venv-dist/bin/python -m pip install --quiet build twine
	rm -rf dist
	.venv-dist/bin/python -m build
	.venv-dist/bin/twine check --strict dist/*

# The documentation site, in site/; no warning is let pass.
docs: .venv/installed-docs
	PYTHONPATH=src $(BIN)/python docs/site.py build/docs
	$(BIN)/python -m zensical build --strict --clean --config-file build/zensical.toml
	rm -rf site && mv build/site site

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)" --editable .
	touch $@

.venv/installed-dev: .venv/installed constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt "$(TORCH)" --editable ".[dev]"
	# Without its torchvision, which would bring another torch. Tests that need it skip where it cannot be had.
	-$(BIN)/python -m pip install --quiet --no-deps --constraint constraints.txt torch-fidelity
	touch $@

.venv/installed-docs: .venv/installed pyproject.toml
	$(BIN)/python -m pip install --quiet "$(TORCH)" --editable ".[docs]"
	touch $@

clean:
	rm -rf .venv .venv-dist build dist site
