# make up            run everything, embedded, with a campaign to click on
# make install       build all four programs and install them with their manual and completions (PREFIX, DESTDIR)
# make test          everything CI checks, real engines included
# make check-deploy  compose, the image, the units, MongoDB's scripts: what shows of deploy/ without Docker
# make e2e-smoke     the whole way of a click on real engines, as processes on this machine
# make faults        minutes of outages and kills on real engines, with figures (docs/faults.md)
# make engines       bring MongoDB, a broker and ClickHouse up for tests by hand; engines-down ends them
# make update-lists  newer lists of browsers and bots, and the fixtures that measure them (daemons/traffic/data)
# make bench         figures (docs/benchmarks.md); needs make engines

CARGO ?= cargo
STACK = deploy/local/stack

MORE_TESTS = -p tfx-e2e --test engines

.PHONY: help up install test lint check doc check-deploy e2e-smoke faults engines engines-down update-lists bench toolchain python deploy-tools

help:
	@sed -n '/^#/!q; s/^# //p' Makefile

up: toolchain
	$(CARGO) run --release --bin tfx -- up --demo

PREFIX ?= /usr/local
INTO = $(DESTDIR)$(PREFIX)
PROGRAMS = tfx api-service traffic-service postback-service

# What is said to this make is not for those that libraries are built with: OpenSSL's takes DESTDIR too.
install: toolchain
	env -u DESTDIR -u PREFIX -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES $(CARGO) build --release --locked $(PROGRAMS:%=--bin %)
	install -d $(INTO)/bin $(INTO)/share/man/man1 $(INTO)/share/bash-completion/completions \
	  $(INTO)/share/zsh/site-functions $(INTO)/share/fish/vendor_completions.d
	install -m 755 $(PROGRAMS:%=target/release/%) $(INTO)/bin/
	target/release/tfx man $(INTO)/share/man/man1
	install -m 644 completions/tfx.bash $(INTO)/share/bash-completion/completions/tfx
	install -m 644 completions/_tfx $(INTO)/share/zsh/site-functions/_tfx
	install -m 644 completions/tfx.fish $(INTO)/share/fish/vendor_completions.d/tfx.fish

test: toolchain lint check doc

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy $(MORE_TESTS) --locked -- -D warnings

ifeq ($(shell uname -s),Linux)
# The engines are ended whatever becomes of the tests.
check: python check-deploy
	python3 -B -m unittest discover deploy/local
	trap '$(STACK) down' EXIT INT TERM; $(STACK) up && $(CARGO) test --workspace --locked --no-fail-fast
	target/debug/tfx smoke --stack embedded
	target/debug/tfx smoke --stack local
else
# The engines have packages for Linux alone; elsewhere what needs them is left out, and said.
check:
	$(CARGO) build --workspace --locked --bins
	$(CARGO) test --workspace --exclude tfx-mongo --exclude tfx-kafka --exclude tfx-clickhouse --locked --no-fail-fast
	target/debug/tfx smoke --stack embedded
	@echo "Not tested: MongoDB, Kafka and ClickHouse, whose packages are for Linux, and a full disk"
endif

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

check-deploy: toolchain python deploy-tools
	$(CARGO) build --workspace --locked --bins
	python3 -B -m unittest discover deploy/check

e2e-smoke: toolchain python
	$(CARGO) run --locked --bin tfx -- smoke --stack local

faults: toolchain python
	$(CARGO) build --workspace --locked --bins
	$(CARGO) test $(MORE_TESTS) --locked -- --nocapture

engines: python
	$(STACK) up

engines-down:
	$(STACK) down

update-lists: python
	python3 daemons/traffic/data/update.py

bench: toolchain
	$(CARGO) bench --workspace --locked

# What a fresh machine may lack, said in one line each.
toolchain:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null && command -v make >/dev/null || { \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq build-essential; \
	  else echo "a C compiler is missing: install build-essential (Debian) or the Xcode command line tools (macOS)" >&2; exit 1; fi; }
	@perl -MFindBin -MIPC::Cmd -MFile::Compare -MData::Dumper -e 1 2>/dev/null || { \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq perl; \
	  else echo "perl with its modules is missing, which OpenSSL is built with: install perl (Debian) or perl-core (Fedora)" >&2; exit 1; fi; }

python:
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' && python3 -m pip --version >/dev/null || { \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq python3 python3-pip; \
	  else echo "python3 (3.10 or later) with pip is missing: the engines of the tests come with it" >&2; exit 1; fi; }

# Debian's packages of what check-deploy runs; mongosh comes from npm by itself.
deploy-tools:
	@missing=; need() { command -v $$1 >/dev/null || missing="$$missing $$2"; }; \
	docker compose version >/dev/null 2>&1 || need docker-compose docker-compose; \
	need shellcheck shellcheck; need systemd-analyze systemd; need npm npm; \
	[ -z "$$missing" ] || if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; \
	  else echo "these are missing, by the names of Debian's packages:$$missing" >&2; exit 1; fi
