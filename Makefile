# From a fresh clone: `make run` and `make test`. Needs Python 3.11 or newer, git and make.
# ARGS adds arguments: make test ARGS="-k gap", make run ARGS="--no-simulate".

BIN := .venv/bin
READY := .venv/.ready
PYTEST := $(BIN)/python -m pytest
# A test file stays in one process, so that its server or browser starts once.
# Three processes: tests wait for servers and browsers, and two leave a fifth of two cores idle.
PARALLEL := -n 3 --dist loadfile

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run serve test check format lint types imports javascript format-check locks-check lock upgrade \
    charts coverage bench demo screenshots build clean

help: ## List all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

$(READY): requirements.lock pyproject.toml hatch_build.py package.json package-lock.json tools/setup.sh
	@tools/setup.sh

setup: $(READY) ## Make .venv, if it is missing or older than what it is made from

run: $(READY) ## Start the small application with sample data and a live simulation
	@$(BIN)/python main.py $(ARGS)

serve: $(READY) ## Start the dashboard
	@$(BIN)/smart-sensor serve $(ARGS)

test: $(READY) ## Run all tests, then those about time once more in another time zone
	$(PYTEST) $(PARALLEL) $(ARGS)
	TZ=America/New_York $(PYTEST) -m timezone

check: format-check lint types imports javascript locks-check ## All checks of the code, in this order

format: $(READY) ## Format the code and sort out what ruff and Biome can fix by themselves
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/python -m tools.javascript --write

format-check: $(READY) ## Is the code formatted?
	$(BIN)/ruff format --check

lint: $(READY) ## Ruff
	$(BIN)/ruff check

types: $(READY) ## mypy --strict
	$(BIN)/mypy

imports: $(READY) ## Does every import go in the one direction?
	$(BIN)/lint-imports --no-logo

javascript: $(READY) ## Types, lint and format of the dashboard's JavaScript and CSS
	$(BIN)/python -m tools.javascript

locks-check: $(READY) ## Do the pinned requirements fit pyproject.toml?
	$(BIN)/python -m tools.lock --check

lock: $(READY) ## Compile the pinned requirements, keeping the pins that still fit
	$(BIN)/python -m tools.lock

upgrade: $(READY) ## Compile the pinned requirements with the newest versions
	$(BIN)/python -m tools.lock --upgrade

charts: $(READY) ## Build the chart libraries again, when npm could not be reached before
	$(BIN)/python hatch_build.py

coverage: $(READY) ## All tests, and which lines of pipeline and dashboard they do not reach
	$(PYTEST) $(PARALLEL) --cov --cov-report=term $(ARGS)

bench: $(READY) ## Measure the load against the usual way (ARGS="--backend all")
	$(BIN)/python benchmarks/etl.py $(ARGS)

demo: $(READY) ## Show the sample data in one self-contained page
	$(BIN)/python demo/run_demo.py $(ARGS)

screenshots: $(READY) ## Take the README's pictures of the dashboard anew
	$(BIN)/python -m tools.screenshots $(ARGS)

build: $(READY) ## Build the source distribution and the wheel into dist/
	$(BIN)/python -m uv build

clean: ## Remove .venv, caches and what was built; data stays
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf build dist htmlcov .coverage .coverage.* dashboard/static/vendor
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
