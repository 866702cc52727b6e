package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

// TestStatusTells wants what an operator has to see at a glance.
func TestStatusTells(t *testing.T) {
	now := time.Now()
	s := control.ServiceStatus{Name: "web", Release: 3, Replicas: 2, Listen: []string{":80"}, Held: 2,
		Paused: &control.Pause{Until: now.Add(90 * time.Second)},
		Mirror: &control.Mirror{To: "next", Same: 8, Status: 1, Body: 2, Failed: 3, Skipped: 4, Differences: []control.Difference{
			{Method: "GET", Path: "/old", Status: 200, Mirror: 404},
			{Method: "GET", Path: "/a", Status: 200, Mirror: 500}, {Method: "GET", Path: "/b\x1b[2J", Status: 200, Mirror: 200}, {Method: "HEAD", Path: "/c", Status: 302, Mirror: 200}}},
		Instances: []control.InstanceStatus{
			{Instance: deploy.Instance{ID: "web-3.1", State: deploy.Serving, Started: now}, Ready: true, Aside: true},
			{Instance: deploy.Instance{ID: "web-3.2", State: deploy.Serving, Started: now}, Aside: true},
		}}
	var b strings.Builder
	writeService(&b, s, now)
	for _, want := range []string{
		"\nweb  release 3, 2 wanted, on :80, paused for 1m30s more, 2 requests waiting\n",
		"\n  mirrored to next: 8 the same, 1 with another status, 2 with another body, 3 failed, 4 skipped\n",
		"\n    GET /a: 200 here, 500 there\n    GET /b: 200, and another body\n    HEAD /c: 302 here, 200 there\n",
		"\n  web-3.1   0        aside ", "\n  web-3.2   0        not ready ",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "/old") || strings.Contains(b.String(), "\x1b") {
		t.Errorf("tells of too many differences, or with control characters:\n%s", b.String())
	}
}

// A contract to come is told of with the time that is left for going back.
func TestStatusTellsOfTheContract(t *testing.T) {
	now := time.Now()
	names := []string{"0008_split"}
	for want, c := range map[string]control.Contract{
		"contract of 0008_split due in 43m0s":                                               {Migrations: names, Due: now.Add(43 * time.Minute)},
		"contract of 0008_split due; rollout 7 is under way":                                {Migrations: names, Due: now, Waiting: "rollout 7 is under way"},
		"contract of 0008_split by command, in 2m0s at the earliest":                        {Migrations: names, Due: now.Add(2 * time.Minute), Manual: true},
		"contract of 0008_split by command: segue migrate contract":                         {Migrations: names, Due: now, Manual: true},
		"contract of 0008_split due\n    the last try did not work: no lock; again in 1m0s": {Migrations: names, Failed: "no lock", Retry: now.Add(time.Minute)},
	} {
		if got := contractWords(c, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
