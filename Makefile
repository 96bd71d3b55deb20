# make env               the virtual environment, from the lock
# make reports/NAME.csv  a report, and all that it takes        (CONFIG=... for another config)
# make tools             the optional registration tools, into the same environment, and axe-core
# make test              the tests: minutes
# make verify            what takes longer: whole studies, many cases, many kills
# make mutants         edits of the core by hand, which tests must see
# make lint              formatters, linters, types, generated pages
# make docs              the documentation site, in build/site; links are checked
# make wheel             the wheel, with all that is in the box, into dist/
# make smoke             the whole workflow at its smallest size
# make test-cluster      the tests on a Slurm of two nodes on this machine; as root, minutes
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
READY := $(VENV)/ready
CONFIG ?=
SNAKEMAKE := PATH="$(BIN):$$PATH" $(BIN)/snakemake --cores all $(if $(CONFIG),--configfile $(CONFIG))

.PHONY: all env tools axe docs test verify mutants lint wheel smoke test-cluster FORCE
all: reports/table2.csv

env: $(READY)

# The mark is written last, so an interrupted installation is done again.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

tools: $(READY) requirements-tools.lock axe
	$(BIN)/python -m pip install --quiet --requirement requirements-tools.lock --constraint requirements.lock

# What tests/test_page_browser.py runs on the page: one file of one release, by its checksum.
AXE := axe-core-4.14.1.tgz
AXE_SHA256 := e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745

axe:
	@mkdir -p build/axe
	@cd build/axe && if npm pack --silent axe-core@4.14.1 >/dev/null 2>&1; then \
	  echo "$(AXE_SHA256)  $(AXE)" | sha256sum --check --quiet \
	  && tar xzf $(AXE) --strip-components=1 package/axe.min.js; \
	else echo "axe-core: npm cannot fetch it; the test that runs it is skipped"; fi

# In an environment of its own: the site needs none of the project's packages.
.venv-docs/ready: requirements-docs.lock
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --requirement requirements-docs.lock
	touch $@

docs: .venv-docs/ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python tools/site_pages.py

# Snakemake knows what is up to date; make must not guess.
reports/%: $(READY) FORCE
	$(SNAKEMAKE) $@

# A worker that is done takes over tests from the other: the slow ones lie together.
PYTEST_ARGS ?= -n 2 --dist worksteal

test: $(READY)
	PATH="$(BIN):$$PATH" $(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile rules
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/generate_reference.py --check

smoke: $(READY)
	PATH="$(BIN):$$PATH" $(BIN)/snakemake --cores all --configfile config/smoke.yaml
	$(BIN)/regbench verdict --config config/smoke.yaml

# Times and modes of files do not count: two wheels of one commit are the same bytes.
wheel:
	$(PYTHON) -m pip wheel --quiet --no-deps --wheel-dir dist .

verify: $(READY)
	PATH="$(BIN):$$PATH" $(BIN)/python -m pytest -m verify $(PYTEST_ARGS)

mutants: $(READY)
	PATH="$(BIN):$$PATH" $(BIN)/python tools/mutants.py

# Needs slurm-wlm and munge, and the extra: .venv/bin/pip install '.[slurm]'.
test-cluster: $(READY)
	PATH="$(BIN):$$PATH" REGBENCH_CLUSTER=1 $(BIN)/python -m pytest tests/cluster

FORCE:
