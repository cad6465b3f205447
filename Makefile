# make demo   set up and run the main job on a clip made here; prints where the report is
# make test   set up and pass the tests (with lint and types)
# make bench  set up and run the benchmarks
# make lint   style and types alone
# Node and npm are used where they are there: the tests of web bundles skip without them.
# PYTHON=python3.12 make test   another interpreter; DFEDGE_VENV=dir   another place for the environment
# TEST_PROCESSES=4 make test    so many test files at once; each process takes up to 4 GB

PYTHON ?= python3
DFEDGE_VENV ?= .venv
TEST_PROCESSES ?= 2
BIN := $(DFEDGE_VENV)/bin
WEB := tests/e2e/web
EXTENSION := extension
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test bench lint format clean
.DELETE_ON_ERROR:

demo: $(DFEDGE_VENV)/.demo
	$(BIN)/python -m dfedge_tools.demo --out demo

test: lint $(WEB)/node_modules/.installed $(EXTENSION)/node_modules/.installed
	@if test -f $(EXTENSION)/node_modules/.installed; then \
		cd $(EXTENSION) && npm run --silent check && npm run --silent test; \
	fi
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile

bench: $(DFEDGE_VENV)/.dev
	$(BIN)/python -m benchmarks

lint: $(DFEDGE_VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DFEDGE_VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(DFEDGE_VENV) $(WEB)/node_modules $(EXTENSION)/node_modules demo .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "dfedge needs Python 3.11 or newer; set PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' \
		|| { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(DFEDGE_VENV)

# The runtime and a package that carries a public-domain portrait: all that the demo needs.
$(DFEDGE_VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[demo]'
	touch $@

# Everything: tools with torch, tests, linters. mediapipe asks for an OpenCV build with a display;
# --no-deps keeps the headless one (its real needs are already here).
$(DFEDGE_VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[demo,tools,server,test,lint]'
	$(PIP) --no-deps 'mediapipe>=0.10.21'
	touch $@

# onnxruntime-web, in which the tests run every bundle for the web; and what the extension needs.
%/node_modules/.installed: %/package.json %/package-lock.json
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
		cd $* && npm ci --ignore-scripts && touch node_modules/.installed; \
	else \
		echo "Node or npm is missing: the tests of $* will be skipped"; \
	fi
