# The commands of this repository, the same by hand and in continuous integration. `make help` lists them.
#
# Needed: Python 3.11 or newer, git, make. Everything else goes into .venv, pinned by constraints.txt.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt

LIBRARY := generated/symeq_layers
WHEEL_SITE := $(CURDIR)/build/wheel-site

# Stamps: one for the virtual environment, one for each set of extras installed into it.
MADE := $(VENV)/.made
DEMO := $(VENV)/.installed-demo
NOTEBOOKS := $(VENV)/.installed-notebooks
DOCS := $(VENV)/.installed-docs
TEST := $(VENV)/.installed-test

# A PYTHONPATH from outside would decide what is tested.
unexport PYTHONPATH

# The tests of a file stay together, one file to a processor; each process computes with one thread.
PYTEST_OPTIONS := -n auto --dist loadfile
$(addprefix test-,checkout source wheel oldest slow): export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test test-oldest test-slow test-checkout test-source test-wheel lint generate check-generated notebooks docs bench clean

help: ## list these commands
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-24s%s\n", $$1, $$2 }'

demo: $(DEMO) ## emit three layers and run them on Zachary's karate club
	$(BIN)/python examples/karate_club.py

# Every test once. The wheel holds the files of the tree, byte by byte (tests/test_packaging.py), so what runs
# against it would say the same of the tree again, in as many minutes.
test: lint check-generated test-source test-wheel ## the whole suite: lint, drift, tests of the tree and of the built wheel

# The oldest torch that pyproject.toml admits, in an environment of its own; it may bring CUDA libraries.
OLDEST := .venv-oldest
OLDEST_TORCH := $(shell sed -n 's/.*"torch>=\(.*\)".*/\1/p' pyproject.toml)

test-oldest: ## an emitted layer among torch's transforms, with the oldest torch that is promised
	$(PYTHON) -m venv $(OLDEST)
	grep -v "^torch==" constraints.txt > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet --constraint $(OLDEST)/constraints.txt \
	    "torch==$(OLDEST_TORCH).*" -e ".[test]"
	$(OLDEST)/bin/pytest $(PYTEST_OPTIONS) -m "not slow" tests/test_layer_torch.py

test-slow: $(TEST) ## the tests marked slow, with a fresh seed
	$(BIN)/pytest $(PYTEST_OPTIONS) -m slow --seed random

lint: $(TEST) ## ruff, and mypy --strict on symeq/
	$(BIN)/ruff check .
	$(BIN)/mypy --strict symeq

test-checkout: $(TEST) ## the tests and doctests with the working tree installed, while working
	$(BIN)/pytest $(PYTEST_OPTIONS) -m "not slow and not wheel"

test-source: $(TEST) ## the tests that are about the source tree alone
	$(BIN)/pytest $(PYTEST_OPTIONS) -m "checkout and not slow"

check-generated: $(TEST) ## is the committed library what the templates would write?
	$(BIN)/symeq generate --library --out $(LIBRARY) --check

# The wheel is built from the sdist, unpacked, and put before the editable install on sys.path. The tests run
# from an empty folder; SYMEQ_EXPECT makes one of them say where symeq and symeq_layers were imported from.
test-wheel: $(TEST) ## all other tests, against the built wheel
	rm -rf build
	mkdir -p build/outside
	$(BIN)/python -m build --no-isolation --outdir build/dist .
	$(INSTALL) --quiet --no-deps --target build/wheel-site build/dist/*.whl
	cd build/outside && \
	    PYTHONPATH="$(WHEEL_SITE)" SYMEQ_EXPECT="$(WHEEL_SITE)" SYMEQ_WHEEL="$$(ls "$(CURDIR)"/build/dist/*.whl)" \
	    "$(CURDIR)/$(BIN)/pytest" $(PYTEST_OPTIONS) -c "$(CURDIR)/pyproject.toml" --rootdir "$(CURDIR)" -m "not slow and not checkout" \
	    "$(CURDIR)/README.md" "$(WHEEL_SITE)/symeq" "$(CURDIR)/tests"

generate: $(TEST) ## write the committed library anew
	$(BIN)/symeq generate --library --out $(LIBRARY)

notebooks: $(NOTEBOOKS) ## run all notebooks from clean kernels, with the long training, and write their outputs
	$(BIN)/python notebooks/execute.py --long

docs: $(DOCS) ## build the documentation into build/site, with warnings as errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean --site-dir build/site
	@echo "To read it: $(BIN)/python -m http.server --directory build/site"

bench: $(DEMO) ## equality first, then time, against other ways to compute the same
	$(BIN)/symeq bench

clean: ## remove what was built and cached; .venv stays
	rm -rf build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

$(MADE):
	@command -v "$(PYTHON)" > /dev/null || { \
	    echo "symeq needs Python 3.11 or newer, and there is no $(PYTHON) here. Name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("symeq needs Python 3.11 or newer, and $(PYTHON) is %d.%d. Name another one: make PYTHON=/path/to/python3.12" % v)'
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

# The build backend comes first and pinned; --no-build-isolation then builds symeq with it and not with the newest.
$(DEMO) $(NOTEBOOKS) $(DOCS) $(TEST): $(VENV)/.installed-%: pyproject.toml constraints.txt | $(MADE)
	$(INSTALL) hatchling editables
	$(INSTALL) --no-build-isolation --editable ".[$*]"
	@touch $@
