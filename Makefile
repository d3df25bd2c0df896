PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-networks test-all-else test-web lint slow coverage docs wheel clean

demo: $(VENV)/.installed
	$(BIN)/python demo/show.py

# Two jobs side by side, which take about as long as each other.
test: lint
	@$(MAKE) --no-print-directory --jobs 2 --output-sync test-networks test-all-else

NETWORKS := $(addprefix tests/,bench engines export nets)

# Training has a process of its own: with all libraries of the other tests loaded, it ends in a crash.
test-networks:
	$(BIN)/python -m pytest tests/train < /dev/null
	$(BIN)/python -m pytest $(NETWORKS) < /dev/null

test-all-else:
	$(BIN)/python -m pytest $(addprefix --ignore=,tests/train $(NETWORKS)) < /dev/null

lint: $(VENV)/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The page's tests in a browser; `make test` runs them, too, where Chromium is there.
test-web: $(VENV)/.developing $(VENV)/axe-core
	command -v chromium || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }
	$(BIN)/python -m pytest tests/web

$(VENV)/axe-core:
	mkdir -p $@ && cd $@ && npm pack --silent axe-core@4 | xargs tar xzf

# Without the tests of a full disk: coverage itself could not write there.
coverage: $(VENV)/.developing
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --ignore tests/train --deselect tests/test_bad_input.py::test_a_full_disk < /dev/null
	$(BIN)/coverage run -m pytest tests/train < /dev/null
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

# The documentation as a web site, in build/site. Warnings count as errors: dead links, pages that nothing leads to.
docs: $(VENV)/.documenting
	$(BIN)/python scripts/commands.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open build/site/index.html"

# The wheel, tried in an environment of its own.
wheel: $(VENV)/.developing
	$(BIN)/python -m build --wheel --outdir dist .
	$(BIN)/python scripts/try_wheel.py dist

slow: $(VENV)/.developing
	$(PIP) -e '.[distributed]'
	$(BIN)/python -m pytest -m slow

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(PIP) -e .
	touch $@

$(VENV)/.developing: pyproject.toml | $(BIN)/python
	$(PIP) -e '.[train,bench,openvino,web,dev]'
	touch $@ $(VENV)/.installed

$(VENV)/.documenting: pyproject.toml | $(BIN)/python
	$(PIP) -e '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build dist demo/restored.png demo/sheet.png
