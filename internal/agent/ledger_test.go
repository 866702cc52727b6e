package agent

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/clock"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// past makes a history, the newest rollout first, of which one a minute ends.
func past(rs ...deploy.Rollout) []deploy.Rollout {
	for n := range rs {
		rs[n].ID = int64(n + 1)
		if rs[n].Kind == "" {
			rs[n].Kind = deploy.KindDeploy
		}
		if rs[n].Phase == "" {
			rs[n].Phase = deploy.Done
		}
		rs[n].Ended = noon.Add(time.Duration(n) * time.Minute)
	}
	slices.Reverse(rs)
	return rs
}

func has(names ...string) *deploy.Migrate { return &deploy.Migrate{Names: names, Bake: time.Hour} }

// What waits for its contract, since when, and what is gone, follow from the
// history alone.
func TestLedger(t *testing.T) {
	first := deploy.Rollout{To: 1, Brings: []string{"a"}}
	second := deploy.Rollout{From: 1, To: 2, Brings: []string{"b"}}
	contract := func(phase deploy.Phase, names ...string) deploy.Rollout {
		return deploy.Rollout{Kind: deploy.KindContract, From: 1, To: 1, Brings: names, Phase: phase}
	}
	for _, c := range []struct {
		name          string
		past          []deploy.Rollout
		now           *deploy.Migrate
		waiting, gone string
		since         int // minutes after noon; -1 none
		retry         int // the same
	}{
		{"nothing was deployed", nil, nil, "", "", -1, -1},
		{"a service without a database", past(deploy.Rollout{To: 1}), nil, "", "", -1, -1},
		{"the first release", past(first), has("a"), "a", "", 0, -1},
		{"a deploy that brings nothing changes nothing", past(first, deploy.Rollout{From: 1, To: 2}), has("a"), "a", "", 0, -1},
		{"contracted", past(first, contract(deploy.Done, "a")), has("a"), "", "a", -1, -1},
		{"contracted, with nothing to remove", past(first, deploy.Rollout{Kind: deploy.KindContract, From: 1, To: 1, Brings: []string{"a"}, Phase: deploy.Done, Did: "a, nothing had to be removed, in 9ms"}), has("a"), "", "", -1, -1},
		{"a second change", past(first, contract(deploy.Done, "a"), second), has("a", "b"), "b", "a", 2, -1},
		{"a deploy that was undone", past(first, contract(deploy.Done, "a"), deploy.Rollout{From: 1, To: 2, Brings: []string{"b"}, Phase: deploy.RolledBack}), has("a"), "", "a", -1, -1},
		{"gone back", past(first, contract(deploy.Done, "a"), second, deploy.Rollout{Kind: deploy.KindRollback, From: 2, To: 1}), has("a"), "", "a", -1, -1},
		{"and forward again", past(first, contract(deploy.Done, "a"), second, deploy.Rollout{Kind: deploy.KindRollback, From: 2, To: 1},
			deploy.Rollout{Kind: deploy.KindRollback, From: 1, To: 2, Brings: []string{"b"}}), has("a", "b"), "b", "a", 4, -1},
		{"the contract runs", past(first, contract(deploy.Forward, "a")), has("a"), "a", "a", 0, -1},
		{"the contract failed", past(first, contract(deploy.RolledBack, "a")), has("a"), "a", "a", 0, 2},
		{"and again", past(first, contract(deploy.RolledBack, "a"), contract(deploy.RolledBack, "a")), has("a"), "a", "a", 0, 4},
		{"it is down", past(first, deploy.Rollout{Kind: deploy.KindDown, From: 1}), nil, "", "", -1, -1},
	} {
		l := ledgerOf(c.past, c.now)
		at := func(t time.Time) int {
			if t.IsZero() {
				return -1
			}
			return int(t.Sub(noon) / time.Minute)
		}
		if got := strings.Join(l.waiting, " "); got != c.waiting || strings.Join(l.gone, " ") != c.gone || c.waiting != "" && at(l.since) != c.since || at(l.retry()) != c.retry {
			t.Errorf("%s: %+v, tried again at %d", c.name, l, at(l.retry()))
		}
	}
}

// Contracts that do not work are tried at least each hour.
func TestContractIsTriedAgain(t *testing.T) {
	l := ledger{failed: 500, last: deploy.Rollout{Ended: noon}}
	if got := l.retry().Sub(noon); got != time.Hour {
		t.Error(got)
	}
}

// A release that lacks what is contracted is refused, and so is one with further
// migrations while some wait.
func TestReleasesThatFit(t *testing.T) {
	s := &service{name: "shop", a: &Agent{clock: clock.NewFake(noon)}, ledger: ledger{gone: []string{"a"}}, releases: map[int]*deploy.Release{1: {Number: 1, Spec: deploy.Service{Migrate: has("a")}}}}
	s.current.Release = 1
	for _, c := range []struct {
		m       *deploy.Migrate
		waiting []string
		refused string
	}{
		{has("a"), nil, ""},
		{has("a", "b"), nil, ""},
		{nil, nil, "has no migration a, whose contract"},
		{has("b"), nil, "has no migration a, whose contract"},
		{has("a"), []string{"a"}, ""},
		{has("a", "b"), []string{"a"}, "brings b while a waits for its contract"},
	} {
		s.ledger.waiting = c.waiting
		err := s.fits("release 2", c.m, false)
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%v, while %v waits: %v", c.m.Has(), c.waiting, err)
		}
	}
	q := control.DeployRequest{Spec: deploy.Service{Migrate: has("squashed")}, Why: "they are one now"}
	if s.overrules(q) != "" {
		t.Error("overruled without a word")
	}
	q.Now, s.ledger.waiting = true, nil
	if s.overrules(q) == "" || s.fits("release 2", q.Spec.Migrate, true) != nil {
		t.Error("not overruled with --now and a reason")
	}
}
