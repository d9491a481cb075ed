# Everything runs inside .venv, which `make` builds from requirements.lock (hashes checked) when it is missing or out of date.
PYTHON ?= python3
BIN := .venv/bin
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false

.PHONY: demo test test-all test-long faults fuzz test-tools lint bench lock audit clean install

install: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; set PYTHON=/path/to/python3")'
	$(PYTHON) -m venv .venv
	# --no-deps: the lock is complete, and some versions of pip look past it for "sqlalchemy[asyncio]".
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: install
	$(BIN)/ectx demo $(ARGS)

# What a change must pass, in minutes: rules, money, files, ports, pages, and kills while files are taken. (More threads than one wait for each other where there is a
# process for every core; test-all has them, for what hangs on their order.)
test: install
	POLARS_MAX_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not slow" $(ARGS)

# All of it, the slow ones too: kills, cuts and full disks on every ground, whole services, several machines, whole years. An hour.
test-all: install
	POLARS_MAX_THREADS=2 $(BIN)/python -m pytest -n auto $(ARGS)

# Every law on many more examples.
test-long: install
	LAWS=long POLARS_MAX_THREADS=2 $(BIN)/python -m pytest -n auto $(ARGS)

# Every step boundary, not a choice of them: FAULTS_SEED=2 makes the rest differ.
faults: install
	FAULTS=all POLARS_MAX_THREADS=2 $(BIN)/python -m pytest tests/faults -n auto $(ARGS)

# A million mutated messages to the SFTP server, and a million mutated files to the reader.
fuzz: install
	$(BIN)/python -m tests.attacks.fuzz $(ARGS)

# What tests of pages, of providers' programs and of spreadsheets use beside Python, where the machine lacks it (Debian or
# Ubuntu, as root). Node's client only where there is npm: it is never what a run fails for.
test-tools:
	command -v lftp && command -v rclone && command -v curl && command -v psftp && command -v sshfs && command -v soffice || { apt-get update -qq && apt-get install -y -qq --no-install-recommends lftp rclone curl putty-tools sshfs libreoffice-calc-nogui; }
	! command -v npm || test -d .test-tools/node_modules/ssh2-sftp-client || timeout 120 npm install --silent --no-save --prefix .test-tools ssh2-sftp-client@12 || echo "ssh2-sftp-client could not be had: it is not tried"
	command -v sftp && command -v sshd || { apt-get update -qq && apt-get install -y -qq openssh-client openssh-server; }
	command -v chromium || command -v google-chrome || { apt-get update -qq && apt-get install -y -qq chromium; }

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install
	$(BIN)/python -m tests.benchmarks $(ARGS)

lock: install
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --extra service --extra dev pyproject.toml --output-file requirements.lock

audit: install
	@$(BIN)/python -m tests.audit $(ARGS)

clean:
	rm -rf .venv .made build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
