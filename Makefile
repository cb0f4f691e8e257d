# `make demo` and `make test` do all the set-up on a fresh machine.

VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# What `make demo` passes on, as in: make demo ARGS="--data /path/to/data --steps 300"
ARGS ?=
# A screen where there is none (Linux only).
SCREEN := $(if $(and $(filter Linux,$(shell uname -s)),$(if $(DISPLAY),,yes)),xvfb-run -a -s "-screen 0 1600x1000x24")

.PHONY: demo test fuzz lint docs bench setup system clean
.DEFAULT_GOAL := test

demo: setup
	$(BIN)/napari-unet demo -o demo $(ARGS)

test: setup lint
	NAPARI_CONFIG="" $(SCREEN) $(BIN)/python -m pytest -n 2 --cov --cov-report=term:skip-covered

# Hours of mutated files, bad command lines and kills; figures go into docs/reliability.md.
# As in: make fuzz ARGS="--hours 1 --first 20000"
fuzz: setup
	nice -n 19 $(BIN)/python -m tests.fuzz $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate --imports napari-unet-trainer

docs: setup
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[docs]'
	$(BIN)/mkdocs build --strict -d site

# As in: make bench ARGS="training --quick -o /tmp/results"
bench: setup
	$(BIN)/python -m pip install --no-binary elasticdeform -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks $(if $(ARGS),$(ARGS),-o docs)

setup: system $(INSTALLED)

system:
	@bash scripts/system_libraries.sh

# Installed anew only when the requirements change.
$(INSTALLED): pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" bash scripts/make_environment.sh $(VENV)
	$(BIN)/python -m pip install --prefer-binary -c constraints.txt -e '.[all,test]'
	@rm -f $(VENV)/.unfinished && touch $@

clean:
	rm -rf $(VENV) demo dist site
