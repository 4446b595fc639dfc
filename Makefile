# The menu: each target is one line into tools/. `make help` prints it.
PYTHON ?= python3
CQC = .venv/bin/python -m cqc_tools
export PYTHONPATH := tools
# make hands its variables to the recipes' environment, where the shell takes them as text and never as commands.
RELEASE_OPTION = $(if $(VERSION),--release "$$VERSION")
TARGET_OPTION = $(if $(TARGET),--target "$$TARGET")
.DEFAULT_GOAL := help
.PHONY: help setup generate check format test test-python test-go test-typescript test-tools interop lossless golden version diff plan preflight changelog notes module-path breaking build attest publish verify report draft draft-save draft-fetch announce rehearse faults clean lock retract

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Check the prerequisites and install the locked toolchain inside the checkout
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "error: $(PYTHON) is not installed; Python 3.11 or newer is needed. Install it, or name another one: make PYTHON=/path/to/python3"; exit 2; }
	@$(PYTHON) tools/bootstrap.py

generate: setup ## Compile proto/ into the Python, Go and TypeScript packages and the descriptor set
	@$(CQC) generate

check: setup ## Lint and format of the protos and tools, drift of generated code, and that all three languages compile
	@$(CQC) check

format: setup ## Format protos, Python and Go in place
	@$(CQC) format

test: setup ## Run everything: check, tools, three packages, interoperability, venues, rehearsal, a third of the faults
	@$(CQC) test

test-tools: setup ## Run the tests of tools/
	@$(CQC) test tools

test-python: setup ## Test the built wheel on the oldest and the newest supported runtimes (TEST_PYTHON=python3.15 on another Python)
	@$(CQC) test python $(RELEASE_OPTION) $(if $(TEST_PYTHON),--python "$$TEST_PYTHON")

test-go: setup ## Test the built Go module with the race detector (TEST_GO=1.24.0 with another Go)
	@$(CQC) test go $(RELEASE_OPTION) $(if $(TEST_GO),--go "$$TEST_GO")

test-typescript: setup ## Test the built npm tarball, as ESM and as CommonJS
	@$(CQC) test typescript $(RELEASE_OPTION)

interop: setup ## Every message type through all language pairs, the same verdicts and answers in all languages, and golden bytes
	@$(CQC) test interop $(RELEASE_OPTION)

lossless: setup ## Map venues' own payloads to the contracts, through all languages and back, and account for every value
	@$(CQC) lossless $(RELEASE_OPTION)

golden: setup ## Keep every message's bytes, as each language writes it, before a release (VERSION=1.2.0)
	@$(if $(VERSION),$(CQC) golden "$$VERSION",echo "error: say for which version: make golden VERSION=1.2.0"; exit 2)

version: setup ## Print the version of what is checked out, in its three spellings
	@$(CQC) version

diff: setup ## What changed in the contracts between two tags (FROM=v1.1.0 TO=v1.2.0; TO is HEAD if left out)
	@$(if $(FROM),$(CQC) diff "$$FROM" $(if $(TO),"$$TO"),echo "error: say from which tag: make diff FROM=v1.1.0 TO=v1.2.0"; exit 2)

breaking: setup ## What changed in the contracts since the last release; fails when it breaks more than the version may
	@$(CQC) breaking

plan: setup ## What the next release is, what changed, what the registries hold, what will be written (VERSION=, TARGET=local)
	@$(CQC) plan $(RELEASE_OPTION) $(TARGET_OPTION)

preflight: setup ## Everything that stands in the way of a release, with what to do about it (VERSION=, TARGET=local)
	@$(CQC) preflight $(RELEASE_OPTION) $(TARGET_OPTION)

changelog: setup ## Write a release's section into CHANGELOG.md, beside what people wrote (VERSION=1.2.0)
	@$(CQC) changelog $(RELEASE_OPTION)

notes: setup ## Print the release notes of a version (VERSION=1.2.0)
	@$(CQC) notes $(RELEASE_OPTION)

module-path: setup ## Write the Go module path of release.toml into go.mod, imports, go_package and documentation
	@$(CQC) module-path

build: setup ## Build the packages, their SBOMs and release.json into dist/<version>/ (VERSION=1.2.0 builds from its tag)
	@$(CQC) build $(RELEASE_OPTION)

attest: setup ## Sign the sdist and the wheel with the identity of the CI run (VERSION=1.2.0)
	@$(CQC) attest $(RELEASE_OPTION)

publish: setup ## Publish a release to a target's registries, or what of it is missing there (VERSION=1.2.0 TARGET=local, private or public)
	@$(CQC) publish $(TARGET_OPTION) $(RELEASE_OPTION)

verify: setup ## Install a release as its users do and compare bytes, contracts, behaviour (VERSION=1.2.0 TARGET=local, private or public)
	@$(CQC) verify $(TARGET_OPTION) $(RELEASE_OPTION)

report: setup ## Write dist/<version>/report.html: what is where, digests, contract changes, timings (VERSION=1.2.0 TARGET=local)
	@$(CQC) report $(TARGET_OPTION) $(RELEASE_OPTION)

draft: setup ## Put a build into a draft release on GitHub, and take back what an earlier run left there (VERSION=1.2.0)
	@$(CQC) draft begin $(RELEASE_OPTION)

draft-save: setup ## Keep the state of publishing and the report in the release on GitHub (VERSION=1.2.0)
	@$(CQC) draft save $(RELEASE_OPTION)

draft-fetch: setup ## Fetch a release's files from GitHub into dist/<version>/ (VERSION=1.2.0)
	@$(CQC) draft fetch $(RELEASE_OPTION)

announce: setup ## Publish the draft release on GitHub, with its notes (VERSION=1.2.0)
	@$(CQC) draft announce $(RELEASE_OPTION)

retract: setup ## What to do about a bad release, in each registry (VERSION=1.2.0 REASON='...'; APPLY=1 writes go.mod and changelog)
	@$(CQC) retract $(or $(RELEASE_OPTION),$(error say which version: make retract VERSION=1.2.0 REASON='...')) --reason "$$REASON" $(TARGET_OPTION) $(if $(APPLY),--apply)

rehearse: setup ## A whole release against registries on this machine (VERSION=1.2.0 to choose the version)
	@$(CQC) rehearse $(RELEASE_OPTION)

faults: setup ## Publish with every fault that a registry or the network can have, and see that a rerun mends it
	@$(CQC) faults

clean: ## Remove everything that was installed or built inside the checkout; generated code stays
	@$(PYTHON) tools/bootstrap.py --clean

lock: setup ## Resolve the toolchain's and the test runtimes' Python requirements again, with hashes
	@$(CQC) lock
