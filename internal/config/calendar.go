package config

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/calendar"
	"github.com/seguehq/segue/internal/deploy"
)

type (
	weekdays  []time.Weekday
	clockTime int // minutes after midnight
	zoneName  string
	moment    string // as calendar.Moment reads it
	cronText  string
)

// shared are the keys of a service that may stand beside services.
var shared = []string{"windows", "freeze"}

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (v *weekdays) read(c cursor) {
	var out weekdays
	c.each("a day such as mon, or mon-fri", func(c cursor) {
		s, _, _, ok := c.scalar("a day such as mon, or mon-fri")
		if !ok {
			return
		}
		days := daysOf(s)
		if days == nil {
			c.fail(c.shown()+" is no day of the week", "the days are mon, tue, wed, thu, fri, sat, sun; a range is mon-fri")
		}
		for _, d := range days {
			if !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	})
	*v = out
}

// daysOf reads "mon" or "fri-mon"; nil if it is neither.
func daysOf(s string) []time.Weekday {
	first, last, isRange := strings.Cut(strings.ToLower(s), "-")
	if !isRange {
		last = first
	}
	from, to := slices.Index(dayNames, first), slices.Index(dayNames, last)
	if from < 0 || to < 0 {
		return nil
	}
	days := []time.Weekday{time.Weekday(from)}
	for d := from; d != to; {
		d = (d + 1) % 7
		days = append(days, time.Weekday(d))
	}
	return days
}

var clockText = regexp.MustCompile(`^([01]?[0-9]|2[0-3]):([0-5][0-9])$|^24:00$`)

func (v *clockTime) read(c cursor) {
	s, _, _, ok := c.scalar(`a time such as "09:00"`)
	if !ok {
		return
	}
	if !clockText.MatchString(s) {
		c.fail(c.shown()+" is no time of day", `write it by the 24-hour clock, like "09:00" or "17:30"; the end of the day is "24:00"`)
		return
	}
	var h, m int
	_, _ = fmt.Sscanf(s, "%d:%d", &h, &m) // it matched
	*v = clockTime(h*60 + m)
}

func (v *zoneName) read(c cursor) {
	s, _, _, ok := c.scalar("a time zone such as Europe/Berlin")
	if !ok {
		return
	}
	if _, err := calendar.Zone(s); err != nil || s == "" {
		c.fail(c.shown()+" is no time zone that segue knows", "write its name in the IANA database, such as Europe/Berlin, America/New_York or UTC")
		return
	}
	*v = zoneName(s)
}

func (v *moment) read(c cursor) {
	s, _, _, ok := c.scalar("a day such as 2026-12-18")
	if !ok {
		return
	}
	if _, err := calendar.Moment(s, time.UTC, false); err != nil {
		c.fail(c.shown()+" is neither a day nor a time", `write it like 2026-12-18 or "2026-12-18 18:00"`)
		return
	}
	*v = moment(s)
}

func (v *cronText) read(c cursor) {
	s, _, _, ok := c.scalar(`a schedule such as "0 4 * * *"`)
	if !ok {
		return
	}
	if _, err := calendar.ParseSchedule(s, time.UTC); err != nil {
		c.fail(fmt.Sprintf("%s is no schedule (%v)", c.shown(), err), `write minute, hour, day, month, weekday: "0 4 * * *" is 4 a.m. each day`)
		return
	}
	*v = cronText(s)
}

// calendar puts what the file says for all services and what it says for one
// together. top is nil where the one stands at the top itself.
func (s scope) calendar(set, top *timing) deploy.Calendar {
	out := deploy.Calendar{Windows: s.windows(set.Windows), Freezes: s.freezes(set.Freeze)}
	if top == nil {
		return out
	}
	if len(set.Windows) == 0 {
		out.Windows = s.windows(top.Windows)
	}
	out.Freezes = append(out.Freezes, s.freezes(top.Freeze)...)
	return out
}

func (s scope) windows(all []weekly) []deploy.Window {
	var out []deploy.Window
	for i, w := range all {
		if w.From == w.To || w.From == 24*60 {
			s.failItem("windows", i, "from", "the window has no length", `write another to; the whole day is from: "00:00", to: "24:00"`)
			continue
		}
		out = append(out, deploy.Window{Days: w.Days, From: int(w.From), To: int(w.To), Zone: string(w.Zone)})
	}
	return out
}

func (s scope) freezes(all []freeze) []deploy.Freeze {
	var out []deploy.Freeze
	for i, f := range all {
		if f.From == "" || f.To == "" {
			s.failItem("freeze", i, "", "a freeze needs from and to", "write both, such as {from: 2026-12-18, to: 2027-01-05}; one without an end is made by segue freeze on")
			continue
		}
		zone, err := calendar.Zone(string(f.Zone))
		if err != nil {
			continue // reported
		}
		from, err1 := calendar.Moment(string(f.From), zone, false)
		to, err2 := calendar.Moment(string(f.To), zone, true)
		if err1 != nil || err2 != nil {
			continue // reported
		}
		if !from.Before(to) {
			s.failItem("freeze", i, "to", "the freeze ends before it begins", "write a later to")
			continue
		}
		out = append(out, deploy.Freeze{From: from.UTC(), To: to.UTC(), Zone: string(f.Zone), Why: string(f.Why)})
	}
	return out
}

// failItem points at a key of the i-th entry of a list, or at the entry. What
// was reported for the list already is not reported once more.
func (s scope) failItem(path string, i int, key, what, mend string) {
	if s.failed(path) {
		return
	}
	_, section := s.find(path)
	if section == nil || section.kind != list || i >= len(section.items) {
		return // it stands elsewhere: at the top, where it is reported
	}
	at := section.items[i]
	line, col := at.line, at.col
	if k, _ := at.get(key); k != nil {
		line, col = k.line, k.col
	}
	s.r.failAt(line, col, join(s.path, path), what, mend)
}

// scpLike is git@host:path, as ssh's own tools write it.
var scpLike = regexp.MustCompile(`^[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:`)

// source checks where a service's commits come from; nil for nowhere.
func (s scope) source(set *source) *deploy.Source {
	if set == nil {
		return nil
	}
	out := &deploy.Source{Repo: s.repo(string(set.Repo)), Branch: strings.TrimPrefix(string(set.Branch), "refs/heads/"), File: path.Clean(string(set.File)),
		Schedule: string(set.Schedule), Zone: string(set.Zone), Every: time.Duration(set.Every)}
	if set.Key != "" {
		out.Key = s.absolute(string(set.Key))
	}
	if bad := checkFile(string(set.File), string(set.File)); bad != nil && !s.failed("source.file") {
		s.fail("source.file", bad.what, "name it relative to the repository's top")
	}
	switch {
	case bool(set.Immediately) && set.Schedule != "":
		s.fail("source.immediately", "a commit goes out either at once or by schedule", "keep one of the two")
	case set.Zone != "" && set.Schedule == "" && !s.failed("source.schedule"):
		s.fail("source.zone", "there is no schedule that it could be the zone of", "take it out, or write a schedule")
	}
	if out.Branch == "" && !s.failed("source.branch") {
		s.fail("source.branch", "the branch has no name", "write the branch that is to be deployed")
	}
	return out
}

// repo is the repository as the agent finds it: a path becomes absolute.
func (s scope) repo(repo string) string {
	switch {
	case s.failed("source.repo"):
		return ""
	case repo == "":
		s.fail("source.repo", "there is no repository to watch", "write its path or URL")
		return ""
	case scpLike.MatchString(repo):
		return repo
	case !strings.Contains(repo, "://"):
		return s.absolute(repo)
	}
	u, err := url.Parse(repo)
	switch {
	case err != nil:
		s.fail("source.repo", "this is no URL", "write it like https://example.com/shop.git or ssh://git@example.com/shop.git")
	case u.Scheme == "file":
		return u.Path
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "ssh":
		s.fail("source.repo", clip(u.Scheme)+" is no way to a repository that segue knows", "use https, http, ssh, or a path")
	}
	return repo
}
