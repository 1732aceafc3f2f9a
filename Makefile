# The door to everything: `make serve` and `make test` work on a fresh machine with Python 3.11 and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: serve test test-systemd lint fmt bench bench-site soak docs clean

serve: $(STAMP)
	$(BIN)/pydaemonwsgi serve examples/hello.wsgi --processes 2 --threads 25

# Most tests wait for servers of their own, so two workers take little more than half the time of one.
test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(TEST)

# As root, on a machine with systemd-nspawn and debootstrap: boots a Debian 12 and a Debian 13 and tries conf/*.service.
test-systemd: $(STAMP)
	$(BIN)/python -m pytest tests/systemd $(SYSTEMD)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 -p pydaemonwsgi.daemon -p pydaemonwsgi.channel -p pydaemonwsgi.metrics
	$(BIN)/lint-imports

fmt: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(BENCH)

bench-site: $(STAMP)
	$(BIN)/python -m benchmarks.site $(BENCH)

soak: $(STAMP)
	$(BIN)/python -m benchmarks.soak $(SOAK)

docs: $(STAMP)
	$(BIN)/python -m pydaemonwsgi.config.reference > docs/reference/options.md
	$(BIN)/python -m pydaemonwsgi.config.directive_reference > docs/reference/directives.md
	$(BIN)/python -m pydaemonwsgi.config.sample > conf/every-option.conf

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist src/*.egg-info
