# make up      run everything, embedded, with a campaign to click on
# make test    everything CI checks
# make bench   figures (see docs/benchmarks.md)

CARGO ?= cargo

.PHONY: help up test lint check doc bench toolchain

help:
	@sed -n 's/^# //p' Makefile

up: toolchain
	$(CARGO) run --release --bin tfx -- up --demo

test: toolchain lint check doc

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

check:
	$(CARGO) test --workspace --locked

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

bench: toolchain
	$(CARGO) bench --workspace --locked

# What a fresh machine may lack, said in one line each.
toolchain:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { \
	  if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq build-essential; \
	  else echo "a C compiler is missing: install build-essential (Debian) or the Xcode command line tools (macOS)" >&2; exit 1; fi; }
