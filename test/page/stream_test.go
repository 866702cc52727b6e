package page_test

import (
	"testing"
	"time"
)

// until waits for something that a browser does.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func (s *site) open() int { return s.count(func() int { return len(s.streams) }) }
func (s *site) ever() int { return s.count(func() int { return s.opened }) }

// told: a release that is not breaking is told of, and nothing else happens; by its
// own wish a page shows a line.
func told(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("1", "")
	s.pages["/plain"] = form
	s.pages["/line"] = tag(`data-notice data-text-release="Neu!" data-text-reload="Laden"`) + `<input name=name>`
	x := b.open(t, b.somebody(t), s.URL+"/plain", noted)
	y := b.open(t, t.Name(), s.URL+"/line", noted)
	x.is(`segue.current === "1"`)
	y.is(`segue.current === "1"`)
	y.do("fill", "[name=name]", "Ada")
	s.now("2", "")
	s.say("flags", `{"etag":"\"a\""}`)
	x.is(`heard.some((h) => h.startsWith("segue:flags"))`)
	x.want(`heard.join()`, `segue:release {"from":"1","to":"2","breaking":""},segue:flags {"etag":"\"a\""}`)
	x.want(shown, "")
	y.is(shown + ` === "Neu!"`)
	s.now("1", "") // rolled back
	y.is(shown + ` === ""`)
	s.now("3", "")
	y.is(shown + ` === "Neu!"`)
	y.shot("line")
	y.do("click", "text=Laden")
	y.is(`document.body.dataset.release === "3" && window.restored`)
	y.want(`document.querySelector("[name=name]").value`, "Ada")
	x.want(`document.body.dataset.release`, "1")
	x.calm()
	y.calm()
}

// shared: tabs share one stream; when the one that has it goes, another takes it; and
// it comes back when it was cut.
func shared(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("1", "")
	me := b.somebody(t)
	tabs := []*tab{b.open(t, me, s.URL, noted), b.open(t, me, s.URL, noted), b.open(t, me, s.URL, noted)}
	for _, x := range tabs {
		x.is(`segue.current === "1"`)
	}
	if s.ever() != 1 {
		t.Errorf("%d streams for three tabs", s.ever())
	}
	s.say("flags", `{"etag":"b"}`)
	for _, x := range tabs {
		x.is(`heard.some((h) => h.startsWith("segue:flags"))`)
	}
	tabs[0].do("close")
	until(t, "another tab has a stream", func() bool { return s.ever() == 2 && s.open() == 1 })
	s.cut()
	until(t, "the stream is back", func() bool { return s.ever() == 3 && s.open() == 1 })
	s.now("2", "")
	for _, x := range tabs[1:] {
		x.is(`segue.current === "2"`)
		x.calm()
	}
}

// alone: without locks, or without channels, each tab has a stream of its own.
func alone(t *testing.T, b *browser) {
	for _, without := range []string{`Object.defineProperty(Navigator.prototype, "locks", { value: undefined })`, `delete window.BroadcastChannel`} {
		s := newSite(t)
		s.now("1", "")
		me := t.Name()
		b.somebody(t)
		x, y := b.open(t, me, s.URL, noted, without), b.open(t, me, s.URL, noted, without)
		x.is(`segue.current === "1"`)
		y.is(`segue.current === "1"`)
		until(t, "two streams", func() bool { return s.open() == 2 })
		s.now("2", "")
		x.is(`segue.current === "2"`)
		y.is(`segue.current === "2"`)
		x.calm()
	}
}

// cache: a page that is put away for the way back lets go of its stream, and has it
// again when it is shown.
func cache(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("1", "")
	x := b.open(t, b.somebody(t), s.URL, noted)
	x.is(`segue.current === "1"`)
	x.get(`dispatchEvent(new PageTransitionEvent("pagehide", {persisted: true})); 1`)
	until(t, "the stream is let go of", func() bool { return s.open() == 0 })
	x.is(`navigator.locks.query().then((q) => q.held.length + q.pending.length === 0)`)
	s.now("2", "")
	x.get(`dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true})); 1`)
	x.is(`segue.current === "2"`)
	x.calm()
}

// garbage: what makes no sense is nothing.
func garbage(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("1", "")
	x := b.open(t, b.somebody(t), s.URL, noted)
	x.is(`segue.current === "1"`)
	for _, data := range []string{`{{{`, `null`, `[]`, `{"release":null}`, `{"release":"9; x","breaking":{}}`, `{"release":{"a":1}}`, `"8"`, `{"breaking":"7"}`} {
		s.say("release", data)
	}
	s.say("flags", `null`)
	s.say("maintenance", `[1]`)
	s.now("2", "junk")
	x.is(`segue.current === "2"`)
	x.want(`heard.join()`, `segue:flags {"etag":""},segue:maintenance {"closed":"","why":""},segue:release {"from":"1","to":"2","breaking":""}`)
	x.want(`document.body.dataset.release`, "1")
	x.calm()
}
