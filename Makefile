# Each target is one line into tools/. `make help` prints this menu.
PYTHON ?= python3
CQC = .venv/bin/python -m cqc_tools
export PYTHONPATH := tools
# make puts its variables into the recipes' environment, where the shell reads them as text and never as commands.
# What a user writes is text, whatever $ it has: make would expand it, and run what a $(shell) names.
define literal
ifneq ($(origin $(1)),undefined)
override $(1) := $$(value $(1))
export $(1)
endif
endef
$(foreach name,VERSION TARGET REASON FROM TO TEST_PYTHON TEST_GO,$(eval $(call literal,$(name))))
RELEASE_OPTION = $(if $(VERSION),--release "$$VERSION")
TARGET_OPTION = $(if $(TARGET),--target "$$TARGET")
.DEFAULT_GOAL := help
.PHONY: help setup rehearse test test-fast generate regenerate check format clean version diff breaking plan preflight \
	changelog notes golden release-pr module-path build publish verify report retract test-tools test-python test-go \
	test-typescript interop compatibility lossless faults environments environments-slow lock attest draft draft-save \
	draft-fetch announce

##@ Start here

rehearse: setup ## Run a whole release against registries on this machine (VERSION=1.2.0)
	@$(CQC) rehearse $(RELEASE_OPTION)

test: setup ## Run every check and test, and print how long each part took
	@$(CQC) test

test-fast: setup ## Run the checks and tests that take seconds, for an edit-run loop
	@$(CQC) test fast

help: ## Print this menu
	@awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Edit the contracts

generate: setup ## Compile proto/ into the packages and the descriptor set
	@$(CQC) generate

regenerate: setup ## Remove all generated code and write it anew
	@$(CQC) regenerate

check: setup ## Lint, check formats, types, import directions and drift of generated code, compile every language
	@$(CQC) check

format: setup ## Format protos, Python, Go and TypeScript in place
	@$(CQC) format

diff: setup ## Print what changed in the contracts between two tags (FROM=v1.1.0 TO=v1.2.0; TO defaults to HEAD)
	@$(if $(FROM),$(CQC) diff "$$FROM" $(if $(TO),"$$TO"),echo "error: name the tag to compare from: make diff FROM=v1.1.0 TO=v1.2.0"; exit 2)

breaking: setup ## Print what changed since the last release; fails if it breaks more than the version allows
	@$(CQC) breaking

##@ Prepare a release

version: setup ## Print the version of what is checked out, as each ecosystem spells it
	@$(CQC) version

plan: setup ## Print the next release, what changed, what the registries hold, what will be written (VERSION=, TARGET=local)
	@$(CQC) plan $(RELEASE_OPTION) $(TARGET_OPTION)

preflight: setup ## Print every obstacle to a release, with the step that removes it (VERSION=, TARGET=local)
	@$(CQC) preflight $(RELEASE_OPTION) $(TARGET_OPTION)

changelog: setup ## Write a release's section into CHANGELOG.md, keeping what people wrote (VERSION=1.2.0)
	@$(CQC) changelog $(RELEASE_OPTION)

notes: setup ## Print the release notes of a version (VERSION=1.2.0)
	@$(CQC) notes $(RELEASE_OPTION)

golden: setup ## Keep the bytes of every message, as each language writes it, for a release (VERSION=1.2.0)
	@$(if $(VERSION),$(CQC) golden "$$VERSION",echo "error: name the version: make golden VERSION=1.2.0"; exit 2)

release-pr: setup ## Prepare a release on a branch; with gh logged in, open its pull request (VERSION=1.2.0 TARGET=public)
	@$(CQC) release-pr $(RELEASE_OPTION) $(TARGET_OPTION)

module-path: setup ## Write the Go module path of release.toml into go.mod, imports, go_package and documentation
	@$(CQC) module-path

##@ Release

build: setup ## Build the packages, their SBOMs and release.json into dist/<version>/ (VERSION=1.2.0 builds its tag)
	@$(CQC) build $(RELEASE_OPTION)

publish: setup ## Publish a release, or whatever of it is missing (VERSION=1.2.0 TARGET=local, private or public)
	@$(CQC) publish $(TARGET_OPTION) $(RELEASE_OPTION)

verify: setup ## Install a release as its users do and compare bytes, contracts, behaviour (VERSION=1.2.0 TARGET=local)
	@$(CQC) verify $(TARGET_OPTION) $(RELEASE_OPTION)

report: setup ## Write dist/<version>/report.html: what is where, digests, changes, timings (VERSION=1.2.0 TARGET=local)
	@$(CQC) report $(TARGET_OPTION) $(RELEASE_OPTION)

retract: setup ## Print what to do about a bad release (VERSION=1.2.0 REASON='...'; APPLY=1 writes go.mod and changelog)
	@$(CQC) retract $(or $(RELEASE_OPTION),$(error name the version: make retract VERSION=1.2.0 REASON='...')) --reason "$$REASON" $(TARGET_OPTION) $(if $(APPLY),--apply)

##@ One part of the tests

test-tools: setup ## Run the tests of tools/
	@$(CQC) test tools

test-python: setup ## Test the wheel on the oldest and newest supported runtimes (TEST_PYTHON=python3.15 for another Python)
	@$(CQC) test python $(RELEASE_OPTION) $(if $(TEST_PYTHON),--python "$$TEST_PYTHON")

test-go: setup ## Test the Go module with the race detector (TEST_GO=1.24.0 for another Go)
	@$(CQC) test go $(RELEASE_OPTION) $(if $(TEST_GO),--go "$$TEST_GO")

test-typescript: setup ## Test the npm tarball, as ESM and as CommonJS
	@$(CQC) test typescript $(RELEASE_OPTION)

interop: setup ## Compare all languages: messages, verdicts, helpers, golden bytes, and each client with each server
	@$(CQC) interop $(RELEASE_OPTION)

compatibility: setup ## Let clients and servers of this release and of the one before it talk (VERSION=, TARGET= once published)
	@$(CQC) compatibility $(RELEASE_OPTION) $(TARGET_OPTION)

lossless: setup ## Map venues' payloads to the contracts, through all languages and back, and account for every value
	@$(CQC) lossless $(RELEASE_OPTION)

environments: setup ## Use the packages in their users' toolchains, all or some that docs/environments.md lists (ONLY='vite jest')
	@$(CQC) environments $$ONLY $(RELEASE_OPTION)

environments-slow: setup ## The same in those that take more than 20 seconds, and through an outage of two minutes
	@$(CQC) environments-slow $(RELEASE_OPTION)

faults: setup ## Publish with every fault that a registry or network can have, and verify that a rerun recovers
	@$(CQC) faults

##@ Maintain this checkout

setup: ## Check the prerequisites and install the locked toolchain inside the checkout
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "error: $(PYTHON) was not found, Python 3.11 or newer is needed. Install it, or name another one: make PYTHON=/path/to/python3"; exit 2; }
	@$(PYTHON) tools/bootstrap.py

clean: ## Remove everything that was installed or built inside the checkout; generated code stays
	@$(PYTHON) tools/bootstrap.py --clean

lock: setup ## Resolve the Python requirements of the toolchain and the test runtimes again, with hashes
	@$(CQC) lock

##@ Only in CI

attest: setup ## Sign SHA256SUMS, the sdist and the wheel with the identity of the CI run (VERSION=1.2.0)
	@$(CQC) attest $(RELEASE_OPTION)

draft: setup ## Put a build into a draft release on GitHub, and fetch what an earlier run left there (VERSION=1.2.0)
	@$(CQC) draft begin $(RELEASE_OPTION)

draft-save: setup ## Save the state of publishing and the report to the release on GitHub (VERSION=1.2.0)
	@$(CQC) draft save $(RELEASE_OPTION)

draft-fetch: setup ## Fetch a release's files from GitHub into dist/<version>/ (VERSION=1.2.0)
	@$(CQC) draft fetch $(RELEASE_OPTION)

announce: setup ## Publish the draft release on GitHub, with its notes (VERSION=1.2.0)
	@$(CQC) draft announce $(RELEASE_OPTION)
