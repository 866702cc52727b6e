package shedlock_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/job/shedlock"
)

const (
	long  = 10 * time.Minute
	brief = 200 * time.Millisecond
)

func TestJavaAndGoExcludeOneAnother(t *testing.T) {
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			for _, c := range []struct {
				promise string
				test    func(t *testing.T, d database, name string)
			}{
				{"what Java holds Go is refused", javaHolds},
				{"what Go holds Java is refused", goHolds},
				{"Go honours Java's extension", javaExtends},
				{"Java honours Go's extension", goExtends},
				{"Go takes over what Java let expire", javaExpires},
				{"Java takes over what Go let expire", goExpires},
				{"Go waits for as long as Java said at least", javaAtLeast},
				{"Java waits for as long as Go said at least", goAtLeast},
				{"both write the same record", alike},
				{"names of all kinds", names},
				{"Go takes over from a Java that was killed", killed}, // the last: it is gone then
			} {
				t.Run(c.promise, func(t *testing.T) {
					d.java.t = t
					name := strings.ReplaceAll(c.promise, " ", "-")
					d.prepare(name, name+"-again")
					c.test(t, d, name)
				})
			}
		})
	}
}

// prepare has Java make records, where it takes only locks whose record it has made.
func (d database) prepare(names ...string) {
	for _, name := range names {
		if d.makes {
			d.java.lock("yes", name, long, 0)
			d.java.unlock(name)
		}
	}
}

func (d database) lock(t *testing.T, name string, atMost time.Duration) job.GuardLock {
	t.Helper()
	l, ok, by, err := d.guard.Lock(t.Context(), name, atMost)
	if err != nil || !ok {
		t.Fatalf("Go, lock %s: %v, held by %q, %v; want it", name, ok, by, err)
	}
	return l
}

// refused has the Go side ask for what the Java side has.
func (d database) refused(t *testing.T, name string) {
	t.Helper()
	_, ok, by, err := d.guard.Lock(t.Context(), name, long)
	if err != nil || ok || by == "" {
		t.Fatalf("Go, lock %s: %v, held by %q, %v; want it held by Java", name, ok, by, err)
	}
}

// awaited has the Go side ask until it has the lock.
func (d database) awaited(t *testing.T, name string) job.GuardLock {
	t.Helper()
	var l job.GuardLock
	servertest.Eventually(t, "Go gets the lock", func() bool {
		var ok bool
		var err error
		if l, ok, _, err = d.guard.Lock(t.Context(), name, long); err != nil {
			t.Fatal(err)
		}
		return ok
	})
	return l
}

// javaAwaits has the Java side ask until it has the lock.
func (d database) javaAwaits(t *testing.T, name string) {
	t.Helper()
	servertest.Eventually(t, "Java gets the lock", func() bool {
		answer, err := d.java.tell("lock", name, ms(long), "0")
		if err != nil {
			t.Fatal(err)
		}
		return answer == "yes"
	})
}

func unlock(t *testing.T, l job.GuardLock, atLeast time.Duration) {
	t.Helper()
	if err := l.Unlock(t.Context(), atLeast); err != nil {
		t.Fatal(err)
	}
}

// gone is a lock that Go has held, and holds no more.
func gone(t *testing.T, l job.GuardLock) {
	t.Helper()
	if ok, err := l.Extend(t.Context(), long); ok || err != nil {
		t.Errorf("Go, extend: %v, %v; want it lost", ok, err)
	}
	if err := l.Unlock(t.Context(), 0); !errors.Is(err, shedlock.ErrLost) {
		t.Errorf("Go, unlock: %v; want ErrLost", err)
	}
}

func javaHolds(t *testing.T, d database, name string) {
	for range 2 { // a record is made, then found
		d.java.lock("yes", name, long, 0)
		d.refused(t, name)
		d.java.unlock(name)
		unlock(t, d.lock(t, name, long), 0)
	}
}

func goHolds(t *testing.T, d database, name string) {
	for range 2 {
		l := d.lock(t, name, long)
		d.java.lock("no", name, long, 0)
		unlock(t, l, 0)
		d.java.lock("yes", name, long, 0)
		d.java.unlock(name)
	}
}

func javaExtends(t *testing.T, d database, name string) {
	d.java.lock("yes", name, long, 0)
	before := d.end(t, name)
	d.java.extend("yes", name, 2*long)
	d.later(t, name, before)
	d.refused(t, name)
	d.java.extend("yes", name, brief)
	d.awaited(t, name)
}

func goExtends(t *testing.T, d database, name string) {
	l := d.lock(t, name, long)
	before := d.end(t, name)
	if ok, err := l.Extend(t.Context(), 2*long); !ok || err != nil {
		t.Fatalf("Go, extend: %v, %v", ok, err)
	}
	d.later(t, name, before)
	d.java.lock("no", name, long, 0)
	if ok, err := l.Extend(t.Context(), brief); !ok || err != nil {
		t.Fatalf("Go, extend: %v, %v", ok, err)
	}
	d.javaAwaits(t, name)
}

// end is how a record says until when.
func (d database) end(t *testing.T, name string) string {
	t.Helper()
	for _, c := range d.record(name) {
		switch c.name {
		case "lock_until", "expires", "lockUntil":
			return c.value
		}
	}
	t.Fatalf("the record of %s has no end", name)
	return ""
}

// later compares ends as they are written, which sorts them.
func (d database) later(t *testing.T, name, before string) {
	t.Helper()
	if after := d.end(t, name); after <= before {
		t.Errorf("%s ended at %s and ends at %s", name, before, after)
	}
}

func javaExpires(t *testing.T, d database, name string) {
	d.java.lock("yes", name, brief, 0)
	l := d.awaited(t, name)
	d.java.extend("no", name, long)
	d.java.lock("no", name, long, 0)
	unlock(t, l, 0)

	name += "-again"
	d.java.lock("yes", name, brief, 0)
	l = d.awaited(t, name)
	d.java.unlock(name) // too late
	if d.frees {
		d.java.lock("yes", name, long, 0)
		gone(t, l)
		d.java.unlock(name)
		return
	}
	d.java.lock("no", name, long, 0)
	unlock(t, l, 0)
}

func goExpires(t *testing.T, d database, name string) {
	l := d.lock(t, name, brief)
	d.javaAwaits(t, name)
	gone(t, l)
	d.refused(t, name)
	d.java.unlock(name)
}

func javaAtLeast(t *testing.T, d database, name string) {
	d.java.lock("yes", name, long, long)
	d.java.unlock(name)
	d.refused(t, name)
	d.java.lock("yes", name+"-again", long, brief)
	d.java.unlock(name + "-again")
	d.awaited(t, name+"-again")
}

func goAtLeast(t *testing.T, d database, name string) {
	unlock(t, d.lock(t, name, long), long)
	d.java.lock("no", name, long, 0)
	unlock(t, d.lock(t, name+"-again", long), brief)
	d.javaAwaits(t, name+"-again")
}

// alike compares what both have written, value by value: types, names, order,
// and how each is written. Ours says more in who has it: a UUID behind the name.
func alike(t *testing.T, d database, name string) {
	d.java.lock("yes", name, long, 0)
	theirs := d.record(name)
	d.java.unlock(name)
	unlock(t, d.lock(t, name, long), 0)
	if d.java.lock("yes", name, long, 0); len(theirs) != len(d.record(name)) {
		t.Fatalf("Java writes %v, then %v", theirs, d.record(name))
	}
	d.java.unlock(name)
	d.lock(t, name, long)
	ours := d.record(name)
	if len(ours) != len(theirs) {
		t.Fatalf("Java writes %v, Go %v", theirs, ours)
	}
	for i := range ours {
		a, b := theirs[i], ours[i]
		if a.name != b.name || a.kind != b.kind || shape(a) != shape(b) {
			t.Errorf("Java writes %v, Go %v: of the shapes %q, %q", a, b, shape(a), shape(b))
		}
	}
	t.Logf("Java: %v", theirs)
	t.Logf("Go:   %v", ours)
}

var (
	who   = regexp.MustCompile(`^(.+@)?[^:]+(:[0-9a-f-]{36})?$`)
	digit = regexp.MustCompile(`[0-9]`)
	mills = regexp.MustCompile(`\.\d{3}000$`)
)

// shape is a value with all digits alike: a time in milliseconds, or more exactly.
func shape(c column) string {
	switch {
	case c.name == "locked_by" || c.name == "lockedBy":
		return who.ReplaceAllString(c.value, "WHO")
	case c.name == "value":
		at, by, _ := strings.Cut(c.value, "@")
		return digit.ReplaceAllString(at, "9") + "@" + who.ReplaceAllString(by, "WHO$2")[:len("WHO:")]
	case mills.MatchString(c.value):
		return digit.ReplaceAllString(c.value[:len(c.value)-3], "9") + "000"
	case c.kind == "string" && strings.Contains(c.name, "_id"):
		return c.value
	}
	return digit.ReplaceAllString(c.value, "9")
}

func names(t *testing.T, d database, _ string) {
	for _, name := range []string{strings.Repeat("n", 64), strings.Repeat("ü", 32), "日本語の仕事 \U0001F552", `it's "quoted" \ $1 ?`} {
		d.java.lock("yes", name, long, 0)
		d.refused(t, name)
		d.java.unlock(name)
		l := d.lock(t, name, long)
		d.java.lock("no", name, long, 0)
		unlock(t, l, 0)
	}
}

func killed(t *testing.T, d database, name string) {
	d.java.lock("yes", name, time.Second, 0)
	d.java.kill()
	unlock(t, d.awaited(t, name), 0)
}
