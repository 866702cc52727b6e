package lifecycle

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A diary is what components did, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) write(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, " ")
}

// part takes a second to start, and one to stop.
func (d *diary) part(name string, after ...string) Component {
	do := func(what string) func(context.Context) error {
		return func(ctx context.Context) error {
			d.write(what + name)
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return Func(name, do("+"), do("-")).DependsOn(after...)
}

func failing(name string, after ...string) Component {
	return Func(name, func(context.Context) error { return errors.New("no room") }, nil).DependsOn(after...)
}

func TestPlanThatMakesNoSenseIsRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		parts []Component
		says  string
	}{
		{"no name", []Component{{}}, "component 1 has no name"},
		{"one name twice", []Component{Func("db", nil, nil), Func("db", nil, nil)}, `two components are named "db"`},
		{"unknown", []Component{Func("web", nil, nil).DependsOn("bd")}, `web comes after "bd", and there is no such component`},
		{"itself", []Component{Func("a", nil, nil).DependsOn("a")}, "a after a"},
		{"a cycle", []Component{
			Func("x", nil, nil).DependsOn("a"), Func("a", nil, nil).DependsOn("b"), Func("b", nil, nil).DependsOn("c"), Func("c", nil, nil).DependsOn("a"),
		}, "wait for one another: a after b after c after a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := Run(t.Context(), c.parts...); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
}

func TestStartsInOrderAndStopsInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		p, err := planOf([]Component{d.part("web", "db"), d.part("db", "net"), d.part("net")})
		if err != nil {
			t.Fatal(err)
		}
		started, err := p.start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := p.stop(t.Context(), started); err != nil {
			t.Fatal(err)
		}
		if got, want := d.String(), "+net +db +web -web -db -net"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

func TestIndependentComponentsStartAndStopAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		p, err := planOf([]Component{d.part("a"), d.part("b"), d.part("c"), d.part("all", "a", "b", "c")})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		started, err := p.start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := p.stop(t.Context(), started); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("took %v, want 2 s to start and 2 s to stop", took)
		}
	})
}

func TestStartThatFailsIsUnwound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		err := Run(t.Context(), d.part("db"), failing("cache", "db"), d.part("web", "cache"), d.part("slow", "db"))
		if err == nil || !strings.Contains(err.Error(), "start cache: no room") {
			t.Errorf("%v does not say what failed", err)
		}
		if got := d.String(); got != "+db -db" && got != "+db +slow -db" { // slow may have begun, and was called off
			t.Errorf("%s, want what has started, and no more, stopped", got)
		}
	})
}

func TestStopGoesOnPastAComponentThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		hangs := make(chan struct{})
		defer close(hangs)
		stuck := Func("stuck", nil, func(context.Context) error { <-hangs; return nil }).DependsOn("db")
		p, err := planOf([]Component{d.part("db"), stuck})
		if err != nil {
			t.Fatal(err)
		}
		started, err := p.start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = p.stop(ctx, started)
		if err == nil || !strings.Contains(err.Error(), "stop stuck: it had not stopped at the deadline") {
			t.Errorf("%v does not say what hung", err)
		}
		if got := d.String(); got != "+db -db" {
			t.Errorf("%s, want db stopped all the same", got)
		}
	})
}

func TestServersStartLastAndStopFirst(t *testing.T) {
	var d diary
	web, admin := d.part("web"), d.part("admin")
	web.server, admin.server = &server{}, &server{}
	p, err := planOf([]Component{web, d.part("db"), d.part("announcer", "web"), admin})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]int{"web": {1}, "db": nil, "announcer": {0}, "admin": {1}} {
		for i, c := range p.parts {
			if c.Name == name && !slices.Equal(p.before[i], want) {
				t.Errorf("%s waits for %v, want %v", name, p.before[i], want)
			}
		}
	}
}
