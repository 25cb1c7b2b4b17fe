# Two commands on a fresh machine with Go: make demo, make test.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
SEED ?= 1

.DEFAULT_GOAL := help
.PHONY: help build demo test vet prove postgres

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/refunds
	go build -trimpath -o bin/refunds ./cmd/refunds

demo: build ## Show the whole flow on made-up data, with its report
	bin/refunds demo

test: postgres vet ## All checks and tests: formatting, vet, staticcheck, tests under the race detector
	go test -race -timeout 9m ./...

vet:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	go mod verify
	go vet ./...
	go run $(STATICCHECK) ./...

# Leaves out a line for each of a thousand cases that passed, and fails where the tests do.
TELL := awk '/^ *(=== |--- PASS)/ {next} {print} /^FAIL/ {bad = 1} END {exit bad}'

# Of the simulated worlds a SEED that is said plays that one alone, with all that happens in it.
WORLDS := $(if $(filter command,$(origin SEED)),-world.seed $(SEED),-world.runs 300000)

prove: postgres ## The long proof: simulated worlds, blows at every step, kills of processes, rules taken out (SEED=n to replay)
	go test -count=1 -timeout 10m -run TestWorld -v ./bulk $(WORLDS) 2>&1 | $(TELL)
	go test -count=1 -timeout 10m -run TestFailpoints -v ./bulk -prove 2>&1 | $(TELL)
	go test -count=1 -timeout 30m -run 'TestRemoved|TestKills|TestProcesses|TestTwentyAtOnce|TestDiskFull' -v ./cmd/refunds -prove -seed $(SEED) 2>&1 | $(TELL)

postgres: # the tests start a PostgreSQL of their own
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	{ echo 'installing PostgreSQL for the tests'; $$(test "$$(id -u)" = 0 || echo sudo) sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends postgresql'; }
