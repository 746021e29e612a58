# Two commands matter to a newcomer: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo up test faults chaos lint types contracts generate check-generated licences ci deep lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.created requirements/embedded.txt pyproject.toml
	@echo "Installing what the services and the embedded parts need (once) …"
	@$(PIP) install --require-hashes -r requirements/embedded.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@echo "Installing what tests and checks need (once) …"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(VENV)/.runtime ## play a month of reports on the embedded default and balance the books (SEED=n repeats one)
	@$(PY) -m demo $(if $(SEED),--seed $(SEED))

up: $(VENV)/.runtime ## run the same stack and stay; Ctrl-C stops it
	@$(VENV)/bin/lienthong up

test: $(VENV)/.dev ## all tests but those of the next two, on real parts
	@$(PY) -m pytest -m "not deep and not faults"
	@echo "Left out (deselected): what breaks running parts (make faults), what takes minutes or hours (make deep)."

faults: $(VENV)/.dev ## what breaks running parts or a whole stack; CI runs it too
	@$(PY) -m pytest -m "faults and not deep" --timeout 900

KILLS ?= 200
SEED ?=
chaos: $(VENV)/.dev ## break everything KILLS times while packages flow, and balance the books (SEED=n again)
	@$(PY) -m chaos --kills $(KILLS) $(if $(SEED),--seed $(SEED))

deep: $(VENV)/.dev ## what takes minutes or hours
	@$(PY) -m pytest -m deep --timeout 7200

lint: $(VENV)/.dev ## format, lint, spelling, undeclared and unused dependencies
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/codespell
	@$(VENV)/bin/deptry .

types: $(VENV)/.dev ## strict types
	@$(VENV)/bin/mypy

contracts: $(VENV)/.dev ## which package may import which
	@$(VENV)/bin/lint-imports --no-cache

generate: $(VENV)/.dev ## write the generated files anew (event schemas, topics, settings)
	@$(PY) -m tests.generated

check-generated: $(VENV)/.dev ## the generated files equal the checked-in ones
	@$(PY) -m tests.generated --check

licences: $(VENV)/.dev ## no GPL or AGPL in what ships
	@$(PY) -m tests.licences

ci: test faults lint types contracts check-generated licences ## what CI runs

lock: $(VENV)/.created ## resolve the lock files anew
	@$(PIP) install uv
	@for extras in "app build" "embedded build embedded demo" "dev build embedded demo dev"; do \
	  set -- $$extras; name=$$1; shift; \
	  $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --no-annotate $$(printf -- '--extra %s ' "$$@") pyproject.toml -o requirements/$$name.txt; done

clean: ## remove the environment and the data of demo and up
	rm -rf $(VENV) .lienthong .lienthong-demo .lienthong-chaos
