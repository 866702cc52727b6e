# Everything is built and tested by these. They need Go, make and git; what
# else the tests want is installed by scripts/need.
BIN := bin/segue
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

.PHONY: build demo test lint unit e2e fuzz bench soak clean

build:
	go build -trimpath -ldflags "-s -w -X github.com/seguehq/segue/internal/cli.release=$(VERSION)" -o $(BIN) ./cmd/segue

# Three instances, real traffic, a good deploy and a bad one, in two minutes.
demo: build
	@examples/demo.sh

test: lint unit e2e

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go mod verify
	go mod tidy -diff
	go vet ./...
	go vet -tags bench ./bench/...
	go tool staticcheck ./...
	go tool nilness ./...

unit:
	@scripts/need gcc python3
	go test -race $$(go list ./... | grep -v /test/)

# Whole processes: agent, proxy and services, under a drill. Two packages at a
# time: they wait more than they work.
e2e:
	@scripts/need gcc curl python3 node javac openssl haproxy nginx redis-server h2load chromium
	go test -p 2 -timeout 20m ./test/...

# Each fuzz target for a little while; `go test` alone runs their seeds.
fuzz:
	@scripts/fuzz 30s

bench:
	@scripts/need nginx haproxy caddy wrk h2load
	go test -count=1 -timeout 60m -v -tags bench ./bench/...

soak:
	SEGUE_SOAK=1 go test -count=1 -timeout 120m -v ./test/...

clean:
	rm -rf bin
