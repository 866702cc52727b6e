# Everything is built and tested by these. They need Go, make and git; what
# else the tests want is installed by scripts/need.
BIN := bin/segue
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

.PHONY: build demo test lint unit e2e test-shop test-kubernetes lab fuzz bench soak frameworks linters clean FORCE

# Static: it runs on any Linux, and in an image that has nothing else.
build:
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/seguehq/segue/internal/cli.release=$(VERSION)" -o $(BIN) ./cmd/segue

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
	cd bench/packages && go vet -tags bench ./...
	go vet -tags kubernetes ./test/kubernetes/...
	go tool staticcheck ./...
	go tool staticcheck -tags kubernetes ./test/kubernetes/...
	go tool nilness ./...

# `go vet` has all packages in lint: the tests below need not ask it again. The
# race detector is told not to have each process sleep before it ends.
unit:
	@scripts/need gcc python3 redis-server ip kcat -- postgresql-15 mariadb-server rabbitmq-server
	GORACE=atexit_sleep_ms=0 go test -vet=off -race $$(go list ./... | grep -v /test/)

# Whole processes: agent, proxy and services, under a drill. Two packages at a
# time: they wait more than they work. And the simulations of internal/analysis,
# of which the race detector above gets a part.
e2e:
	@scripts/need aws gcc curl python3 node npm javac openssl haproxy nginx redis-server h2load chromium prometheus -- postgresql-15 mariadb-server rabbitmq-server libpostgresql-jdbc-java libmariadb-java libxerial-sqlite-jdbc-java libmongodb-java
	go test -vet=off -p 2 -timeout 20m ./internal/analysis ./test/...

# examples/shop with a few hundred people in it, deployed twenty times, rolled back, and
# killed part by part: on SQLite, on Redis, on PostgreSQL, and with RabbitMQ, some two
# minutes each.
test-shop:
	@scripts/need redis-server -- postgresql-15 rabbitmq-server
	SEGUE_SOAK=1 go test -vet=off -count=1 -timeout 30m -v -run TestShopLong ./test/shop

# A real Kubernetes cluster of three nodes on this machine (test/kubernetes/lab): it
# is brought up, the tests run on it, and it is taken down, whatever happens. By
# root. The first time it builds Kubernetes, which takes some ten minutes.
test-kubernetes: bin/lab
	bin/lab build
	cd test/kubernetes/lab && go vet -tags kubernetes ./cmd/lab ./cmd/pause && go test -tags kubernetes ./cmd/lab
	bin/lab run -- sh -c 'bin/lab add metrics-server gateway && go test -count=1 -p 1 -timeout 40m -tags kubernetes ./test/kubernetes/...'

# The same cluster to stay, for `go test -tags kubernetes ./test/kubernetes/...` and
# for looking around: bin/lab kubectl, bin/lab exec, bin/lab down.
lab: bin/lab
	bin/lab up

bin/lab: FORCE
	go build -C test/kubernetes/lab -o ../../../bin/lab ./cmd/lab

FORCE:

# Each fuzz target for a little while; `go test` alone runs their seeds.
fuzz:
	@scripts/fuzz 30s

bench:
	@scripts/need nginx haproxy caddy wrk h2load redis-server -- postgresql-15 mariadb-server
	go test -count=1 -timeout 60m -v -tags bench ./bench/...
	cd bench/packages && go test -count=1 -timeout 60m -v -tags bench ./...

# segue check on some seventy real servers, three times each, for docs/frameworks.md:
# an hour, or less on an idle machine.
frameworks:
	go run ./test/frameworks

# What other linters see of what segue lint finds, for docs/lint.md: kube-score,
# and kube-linter and polaris if they are in the PATH.
linters:
	go test -count=1 -v ./test/lint -run Comparison -update

soak:
	SEGUE_SOAK=1 go test -count=1 -timeout 120m -v ./test/... ./lock ./store/sqlite ./internal/proxy

clean:
	rm -rf bin
