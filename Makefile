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

prove: postgres ## The long proof: kills of one and of two processes, on SQLite and PostgreSQL (SEED=n to replay)
	go test -count=1 -timeout 30m -run TestKills -v ./cmd/refunds -prove -seed $(SEED)

postgres: # the tests start a PostgreSQL of their own
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	{ echo 'installing PostgreSQL for the tests'; $$(test "$$(id -u)" = 0 || echo sudo) sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends postgresql'; }
