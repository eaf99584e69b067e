# konexus-tokend: build, test, install. `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The directories of `make install`. For packages, DESTDIR is put before each.
PREFIX ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
MANDIR ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share/konexus-tokend
DOCDIR ?= $(PREFIX)/share/doc/konexus-tokend
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d

SWIFT ?= swift
# The release build is one file that needs no Swift on the machine. Functions that are never called are left out, and no
# other program needs its symbols. lld puts constants where nothing can write: see the script. Functions of libraries are
# looked up at the start, so that nothing can write their addresses afterwards.
RELEASE := -c release --static-swift-stdlib -Xswiftc -use-ld=lld -Xlinker --gc-sections -Xlinker --no-export-dynamic \
  -Xlinker -z -Xlinker now -Xlinker "--script=$(CURDIR)/systemd/release/constants.ld" --product
# `--version` shows the commit.
export KONEXUS_COMMIT := $(shell git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null)
# The binary that `make install` and `make deb` take.
BINARY ?= .build/release/konexus-tokend
# Where `make deb`, `make rpm` and `make release` leave their files.
DEBDIR ?= .build/deb
RPMDIR ?= .build/rpm
RELEASEDIR ?= .build/release-files

##@ Building
.PHONY: help deps deps-build build
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## Install the Debian packages that building, testing and packaging need
	@.ci/deps build demo package recipes test

deps-build:
	@.ci/deps build

build: deps-build ## Build the daemon for release
	$(SWIFT) build $(RELEASE) konexus-tokend

##@ Checking
.PHONY: test soak soak-admin lint demo
test: deps ## All tests, or PARTS="sidecar systemd" of them; CI=true forbids that some are skipped
	@SWIFT="$(SWIFT)" Tests/run $(PARTS)

DURATION ?= 60
soak: deps ## A daemon under random faults, kill -9 and reloads for DURATION=60 seconds; SOAK_SEED= replays one
	$(SWIFT) build --build-tests
	SOAK_SECONDS=$(DURATION) $(SWIFT) test --skip-build --filter DaemonTests.SoakTests

soak-admin: deps ## Edits, restarts, upgrades, stray signals under a reader for DURATION=60 seconds: SEED= WITHOUT=
	SHOW=1 SOAK_SECONDS=$(DURATION) SEED=$(SEED) WITHOUT="$(WITHOUT)" Tests/Systemd/run Tests/Systemd/soak-admin.test

FUZZ_SECONDS ?= 300
MUTATIONS ?= 1000000
.PHONY: fuzz test-sanitize
fuzz: deps ## libFuzzer on each reader of foreign bytes for FUZZ_SECONDS=300, then MUTATIONS=1000000 changed answers each
	Tests/Fuzz/run $(FUZZ_SECONDS) || [[ $$? -eq 77 ]]
	$(SWIFT) build --build-tests
	FUZZ_MUTATIONS=$(MUTATIONS) $(SWIFT) test --skip-build --filter AnswerMutationTests

SANITIZERS ?= address thread
test-sanitize: deps ## The tests of libraries and daemon under SANITIZERS="address thread", each in a build of its own
	Tests/Sanitizers/run $(SANITIZERS)

LIVES ?= 100000
.PHONY: simulate mutants
simulate: deps-build ## Whole hosts in virtual time: LIVES=100000 from random seeds, or the one of SEED= with its history
	$(SWIFT) build -c release --product konexus-simulate
	.build/release/konexus-simulate --threads $$(nproc) \
	  $(if $(SEED),--seed $(SEED),--lives $(LIVES) --base $$(od -An -N8 -tu8 /dev/urandom | tr -d ' '))

mutants: deps-build ## Faults of the engine, one at a time, that `make simulate` must detect: ten minutes
	SWIFT="$(SWIFT)" Tests/Simulation/mutants

lint: ## Check the format, the length of lines, what targets and folders import, and the English
	$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Tests Benchmarks
	@SWIFT="$(SWIFT)" python3 .ci/lint

demo: ## Watch it work: daemon, authorization server and a shell script that reads the token, for under a minute
	@.ci/deps build demo
	@Tests/Demo/run

.PHONY: pictures
pictures: ## Make the pictures in docs/pictures anew, except those of runs: PLOT=docs/pictures/demo.svg make demo
	@SWIFT="$(SWIFT)" python3 .ci/lint/pictures.py

.PHONY: test-debian13 test-container test-fresh
test-debian13: build ## The systemd tests with the systemd, OpenSSL and libcurl of Debian 13: as root, half an hour
	@tree=$$(Tests/Debian/tree trixie package test) || { echo "$$tree"; exit 1; }; \
	TOKEND=.build/release/konexus-tokend Tests/Systemd/run --root "$$tree"

test-container: build ## The image of config/Containerfile on a fresh Debian, and the sidecar tests in it: as root
	@Tests/Container/run

test-fresh: ## make demo on a minimal Debian with only the Swift toolchain unpacked: as root, half an hour
	@Tests/Fresh/run

.PHONY: walkthrough
walkthrough: ## README.md's commands in a minimal Debian, from the package to an alert: as root, some minutes
	@Tests/Walkthrough/run

##@ Measuring
.PHONY: bench bench-build bench-availability bench-network fleet
bench: build bench-build ## Side by side with curl and jq, Python, Go, C, oidc-agent and Envoy: ten minutes, a report
	Benchmarks/compare

bench-build:
	@.ci/deps build bench
	@Benchmarks/get-envoy
	$(SWIFT) build $(RELEASE) konexus-sandbox
	$(SWIFT) build $(RELEASE) konexus-simulate

bench-availability: build bench-build ## The share of calls that the API accepts, through faults; PLOT= for the picture
	status=0; Benchmarks/availability || status=1; Benchmarks/acceptance || status=1; \
	python3 docs/pictures/availability.py .build/bench >$${PLOT:-.build/bench/availability.svg}; exit $$status

OUTAGE ?= 1800
bench-network: build bench-build ## Bytes and packets of an outage of OUTAGE=1800 seconds, with and without a token
	OUTAGE=$(OUTAGE) Benchmarks/network

HOSTS ?= 1,100,10000
fleet: deps-build ## What HOSTS=1,100,10000 hosts ask of one server, in virtual time; PLOT= for the picture
	$(SWIFT) build $(RELEASE) konexus-fleet
	@mkdir -p .build/bench
	status=0; .build/release/konexus-fleet --hosts $(HOSTS) --series .build/bench/fleet.json || status=1; \
	python3 docs/pictures/fleet.py .build/bench/fleet.json >$${PLOT:-.build/bench/fleet.svg}; exit $$status

##@ Installing
.PHONY: install uninstall deb rpm release changelog
install: ## Install what `make build` built: PREFIX=/usr/local, DESTDIR=
	@systemd/install "$(BINARY)"

uninstall: ## Remove what `make install` installed; a configuration that was filled in stays
	@systemd/uninstall

deb: ## Build the Debian package (into .build/deb)
	@.ci/deps build package
	@if [[ "$(origin BINARY)" == file ]]; then $(MAKE) build; fi
	@systemd/debian/build "$(BINARY)" "$(DEBDIR)"

rpm: ## Build the package for Fedora and RHEL (into .build/rpm)
	@.ci/deps build package
	@if [[ "$(origin BINARY)" == file ]]; then $(MAKE) build; fi
	@systemd/rpm/build "$(BINARY)" "$(RPMDIR)"

changelog: ## Make the CHANGELOG's unreleased changes the section of this version, with today's date
	@systemd/release/changelog

release: ## All files of a release, from a clean tree: packages, archive, SHA256SUMS (into .build/release-files)
	@.ci/deps build package
	@systemd/release/check
	@$(MAKE) build
	@systemd/release/build .build/release/konexus-tokend "$(RELEASEDIR)"

export PREFIX DESTDIR SYSCONFDIR UNITDIR SYSUSERSDIR MANDIR DATADIR DOCDIR BASHDIR ZSHDIR FISHDIR
