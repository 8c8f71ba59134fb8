# Two commands do all the set-up: `make run` starts daozhang with a demo shop, `make test` runs the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up

.PHONY: setup run test prove bench tidy lint lock typescript

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# ARGS goes to `daozhang up`, for example: make run ARGS="--base-port 9000 --data ./data"
run: setup
	@exec $(BIN)/daozhang up --demo $(ARGS)

# Two halves of the tests run side by side (tests/conftest.py says which).
test: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadscope $(ARGS)

lint: setup
	$(BIN)/ruff check -q daozhang tests tools bench
	$(BIN)/mypy
	$(BIN)/python tools/tidy.py

tidy: setup
	$(BIN)/python tools/tidy.py

# The long proofs: three faults per world, hundreds of kills, the larger figures.
prove: setup
	$(BIN)/python -m pytest -q -m prove -o timeout=7200 -s
	$(BIN)/python -m bench.proof --seeds 20000 --bugs 200 --docs docs
	$(MAKE) bench

bench: setup
	$(BIN)/python -m bench.payments $(ARGS)
	$(BIN)/python -m bench.webhooks
	$(BIN)/python -m bench.diagnosis
	$(BIN)/python -m bench.drills --worlds 1 --together 10
	$(BIN)/python -m bench.devices
	$(BIN)/python -m bench.recovery
	$(BIN)/python -m bench.growth

lock:
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --extra dev --python-version 3.11 \
		pyproject.toml -o requirements.lock

# The TypeScript client from openapi/v1.json (needs npm and a registry; what it makes is committed).
typescript: setup
	$(BIN)/python tools/typescript.py
	cd clients/typescript && npm ci --no-audit --no-fund && npm run build
