# `make demo` and `make test` set everything up by themselves; `make check` is what a change has to pass.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check format lint type docs wheel versions benchmark clean

demo: $(READY)
	$(BIN)/lstm-rl train lstm_rl/NoisyTMaze-v0 --env-kwargs corridor_length=70 --seed 0 \
		--log-dir runs --run-name demo --stop-when-solved --overwrite
	$(BIN)/lstm-rl evaluate runs/demo --episodes 1000 --seed 1
	@echo "Pictures: runs/demo/learning_curve.png; more: $(BIN)/tensorboard --logdir runs, $(BIN)/lstm-rl watch runs/demo"

# A file of tests is the work of one process; both find what the other has compiled.
test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0

check: lint type test docs wheel

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

type: $(READY)
	$(BIN)/mypy

# The site, in build/docs/index.html; a warning is an error.
docs: $(READY)
	$(BIN)/python -m sphinx -q -E -W --keep-going -d build/doctrees docs build/docs
	@echo "build/docs/index.html"

# The wheel holds lstm_rl and nothing else, and works away from the checkout; the page on PyPI is in order.
wheel: $(READY)
	rm -rf build/wheel && $(BIN)/python -m build --quiet --outdir build/wheel .
	$(BIN)/python -m twine check --strict build/wheel/*
	$(BIN)/python scripts/check_wheel.py build/wheel

# Not part of check: it downloads the oldest Torch that is allowed, some 3 GB. Torch stays as it is with KEEP="--keep torch".
versions: $(READY)
	$(BIN)/python scripts/check_versions.py lowest $(KEEP) --extras music robot series
	$(BIN)/python scripts/check_versions.py newest $(KEEP) --extras music robot series

benchmark: $(READY)
	$(BIN)/python scripts/benchmark.py

# The exact versions that demo, tests and CI use; torch there is a CPU build. With a GPU: pip install lstm-rl.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,human,video,baselines,hmm,music,tune,zoo,ray,export,docs,series,robot]"
	touch $(READY)

clean:
	rm -rf $(VENV) build docs/api docs/environments *.egg-info .mypy_cache .ruff_cache .pytest_cache
