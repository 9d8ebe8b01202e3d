# Every goal does its own set-up in .venv/ from nothing but Python 3.11 or newer.

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$name; break; }; \
	done)
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet

# What boots a machine, draws thousands, is dear or is one of a long series runs where every reader has to be there, as in .ci/run.
QUICK := $(if $(filter required,$(LLMGEN_READERS)),,-m "not thorough")

.PHONY: help generate test readers docs reference lint schema lock pins release clean

help:
	@echo "make generate  write every configuration of llm.toml below generated/"
	@echo "make test      run the quick tests with the server programs that are there; LLMGEN_READERS=required: all"
	@echo "make readers   install the server programs that a registry has, for the tests"
	@echo "make docs      build docs/ into docs/_build, every warning an error"
	@echo "make lint      ruff and mypy"
	@echo "make schema    write the JSON Schema that the package ships"
	@echo "make reference write docs/reference and the manual pages from help, schema and tables"
	@echo "make lock      write llm.lock anew from header-only files of public model shapes"
	@echo "make pins      pin anew what releases are made of (pylock.toml)"
	@echo "make release   build every package below dist/, with checksums; TAG=vVERSION checks the tag, ONLY=PART builds one"
	@echo "make clean     remove .venv and caches"

generate: $(VENV)/.llmgen
	$(VENV)/bin/llmgen generate

# Hundreds of processes run llmgen: compiled once, even where Python is told to keep nothing. Servers are waited for: four processes keep
# two cores at work.
test: $(VENV)/.llmgen-dev
	PYTHONDONTWRITEBYTECODE= $(VENV)/bin/python -m pytest --numprocesses 4 --dist loadgroup $(QUICK)

readers: $(VENV)/.llmgen-dev
	$(VENV)/bin/python tests/readers/install.py

docs: $(VENV)/.llmgen-docs
	$(VENV)/bin/sphinx-build --fail-on-warning --keep-going --quiet -b dirhtml docs docs/_build

lint: $(VENV)/.llmgen-dev
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

schema: $(VENV)/.llmgen
	$(VENV)/bin/llmgen schema > llmgen/data/llm.schema.json

reference: $(VENV)/.llmgen
	$(VENV)/bin/python tools/write_reference.py
	$(VENV)/bin/python tools/write_man_pages.py

lock: $(VENV)/.llmgen-dev
	rm -rf $(VENV)/headers
	$(VENV)/bin/python tools/write_headers.py $(VENV)/headers
	$(VENV)/bin/llmgen lock --models $(VENV)/headers
	rm -rf $(VENV)/headers

pins: $(VENV)/.llmgen-release
	$(VENV)/bin/uv pip compile --quiet --universal --upgrade --format pylock.toml --custom-compile-command "make pins" \
		--output-file pylock.toml pyproject.toml

release: $(VENV)/.llmgen-release
	$(VENV)/bin/python tools/release $(if $(TAG),--tag $(TAG)) $(if $(ONLY),--only $(ONLY))

clean:
	rm -rf $(VENV) docs/_build .mypy_cache .pytest_cache .ruff_cache

# What pyproject.toml asks for, installed again when it changes.
$(VENV)/.llmgen: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --editable .
	@touch $@

$(VENV)/.llmgen-dev: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --editable '.[dev]'
	@touch $(VENV)/.llmgen $(VENV)/.llmgen-release $@

$(VENV)/.llmgen-release: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --editable '.[release]'
	@touch $(VENV)/.llmgen $@

$(VENV)/.llmgen-docs: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --editable '.[docs]'
	@touch $(VENV)/.llmgen $@

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "llmgen needs Python 3.11 or newer; set PYTHON=/path/to/it" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
