# make run    the sample newsletter, at http://127.0.0.1:8000
# make test   the whole suite, on SQLite and, where a server's programs are found, on PostgreSQL
# make check  the gate: format, lint, types, tests, docs

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check format bench bench-send bench-million bench-postgres clean

run: .venv/ready
	@$(BIN)/connector demo

test: .venv/ready-dev
	$(BIN)/pytest $(ARGS)

check: .venv/ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest $(ARGS)

format: .venv/ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/ready-dev
	$(BIN)/python -m bench.render
	$(BIN)/python -m bench.page
	$(BIN)/python -m bench.freeze
	$(BIN)/python -m bench.importing
	$(BIN)/python -m bench.dkim

bench-send: .venv/ready-dev
	$(BIN)/python -m bench.sending

bench-million: .venv/ready-dev
	$(BIN)/python -m bench.million

bench-postgres: .venv/ready-dev
	$(BIN)/python -m bench.postgres

clean:
	rm -rf .venv build dist subscribers.db subscribers.db-shm subscribers.db-wal

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Connector needs Python 3.11 or newer; try: make run PYTHON=python3.12"; exit 1; }
	@echo "Making the environment in .venv (once; about half a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/ready-dev: .venv/ready
	@echo "Adding what the tests need"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
