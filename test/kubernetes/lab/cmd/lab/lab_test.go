package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheVersionIsThatOfTheModule(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(module(), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), "k8s.io/kubernetes "+kubernetesVersion+"\n") {
		t.Errorf("go.mod has another version of k8s.io/kubernetes than %s", kubernetesVersion)
	}
}

func TestNodesAreCounted(t *testing.T) {
	for _, c := range []struct {
		args string
		n    int
		rest string
	}{
		{"", 3, ""},
		{"1", 1, ""},
		{"-- go test", 3, "-- go test"},
		{"2 -- go test", 2, "-- go test"},
		{"0", 0, ""},
		{"10", 0, ""}, // has no address
		{"three", 0, ""},
	} {
		n, rest, err := nodes(strings.Fields(c.args))
		if n != c.n && err == nil || (err != nil) != (c.n == 0) || strings.Join(rest, " ") != c.rest {
			t.Errorf("%q: %d nodes, then %q, %v; want %d, then %q", c.args, n, rest, err, c.n, c.rest)
		}
	}
}

func TestAnotherLabHasOtherControlGroups(t *testing.T) {
	one, other := Lab{Dir: "/a/labs/x"}, Lab{Dir: "/b/labs/x"}
	if one.cgroup() == other.cgroup() {
		t.Errorf("labs of two users share %s", one.cgroup())
	}
}

func TestAPIDIsNotMistakenForALaterProcess(t *testing.T) {
	started, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if l := (Lab{PID: os.Getpid(), Started: started}); !l.alive() {
		t.Error("this process is there, and counts as ended")
	}
	if l := (Lab{PID: os.Getpid(), Started: started - 1}); l.alive() {
		t.Error("an earlier process of the same pid counts as alive")
	}
}
