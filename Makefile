PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint slow coverage clean

demo: $(VENV)/.installed
	$(BIN)/python demo/show.py

test: lint
	$(BIN)/python -m pytest

lint: $(VENV)/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: $(VENV)/.developing
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report --skip-covered

slow: $(VENV)/.developing
	$(BIN)/python -m pytest -m slow

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(PIP) -e .
	touch $@

$(VENV)/.developing: pyproject.toml | $(BIN)/python
	$(PIP) -e '.[train,bench,openvino,web,dev]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) demo/restored.png demo/sheet.png
