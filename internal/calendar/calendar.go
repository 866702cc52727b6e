// Package calendar tells when a service may be deployed. It decides from a
// deploy.Calendar and a time alone.
//
// Windows are meant as the clock on the wall shows them, on days when it is set
// forward or back, too: a window that begins or ends in an hour that is left
// out does so when the clock jumps; in an hour that comes twice, it begins with
// the first and ends with the second.
package calendar

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a machine may have no zone files

	"github.com/seguehq/segue/internal/deploy"
)

// Closed says why a service may not be deployed, and until when.
type Closed struct {
	Why   string         // "outside its windows (…)", "freeze until …: holidays"
	Until time.Time      // when it opens; zero: nobody can tell
	Zone  *time.Location // in which people think of Until
}

// Zone finds a zone by its name in the IANA database; "" is the machine's.
func Zone(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	if name == "Local" {
		return nil, fmt.Errorf("unknown time zone %s", name)
	}
	return time.LoadLocation(name)
}

// At returns nil when a service may be deployed at now. A window whose zone is
// not known here is never open.
func At(c deploy.Calendar, now time.Time) *Closed {
	x := why(c, now)
	if x == nil {
		return nil
	}
	x.Until = opens(c, now)
	return x
}

// why tells what closes at now, the latest freeze before the windows.
func why(c deploy.Calendar, now time.Time) *Closed {
	var held *deploy.Freeze
	for n := range c.Freezes {
		if f := &c.Freezes[n]; f.Holds(now) && (held == nil || f.To.IsZero() || (!held.To.IsZero() && f.To.After(held.To))) {
			held = f
		}
	}
	if held != nil {
		return &Closed{Why: tellFreeze(*held), Zone: zoneOr(held.Zone)}
	}
	if len(c.Windows) == 0 || slices.ContainsFunc(c.Windows, func(w deploy.Window) bool { return isOpen(w, now) }) {
		return nil
	}
	return &Closed{Why: "it is outside the windows (" + Tell(c.Windows) + ")", Zone: zoneOr(c.Windows[0].Zone)}
}

// zoneOr is the machine's where a zone is not known here.
func zoneOr(name string) *time.Location {
	zone, err := Zone(name)
	if err != nil {
		return time.Local
	}
	return zone
}

func tellFreeze(f deploy.Freeze) string {
	text := "there is a freeze"
	if !f.To.IsZero() {
		text += " until " + f.To.In(zoneOr(f.Zone)).Format(layout)
	}
	if f.Why != "" {
		text += ": " + f.Why
	}
	return text
}

// turns bounds how often opens goes from the end of a freeze to the next window
// and on to the next freeze.
const turns = 10_000

// opens finds the first time from now on at which nothing closes.
func opens(c deploy.Calendar, now time.Time) time.Time {
	at := now
	for range turns {
		later := at
		for _, f := range c.Freezes {
			if f.Holds(later) {
				if f.To.IsZero() {
					return time.Time{}
				}
				later = f.To
			}
		}
		if later.After(at) {
			at = later
			continue
		}
		next := nextWindow(c.Windows, at)
		if next.IsZero() || next.Equal(at) {
			return next
		}
		at = next
	}
	return time.Time{}
}

// nextWindow is at itself while a window is open.
func nextWindow(ws []deploy.Window, at time.Time) time.Time {
	if len(ws) == 0 {
		return at
	}
	var first time.Time
	for _, w := range ws {
		if next := next(w, at); !next.IsZero() && (first.IsZero() || next.Before(first)) {
			first = next
		}
	}
	return first
}

// next is when a window is open from at on; zero if it never is.
func next(w deploy.Window, at time.Time) time.Time {
	zone, err := Zone(w.Zone)
	if err != nil {
		return time.Time{}
	}
	for day := -1; day <= 14; day++ { // one that begins in an hour that is left out for good is empty
		from, to := span(w, at.In(zone), day)
		if to.After(at) && from.Before(to) && on(w, at.In(zone), day) {
			if from.Before(at) {
				return at
			}
			return from
		}
	}
	return time.Time{}
}

func isOpen(w deploy.Window, at time.Time) bool { return next(w, at).Equal(at) }

// on reports whether the window begins on the day that is so many days after at's.
func on(w deploy.Window, at time.Time, day int) bool {
	return len(w.Days) == 0 || slices.Contains(w.Days, time.Weekday((int(at.Weekday())+day%7+7)%7))
}

// span is when the window begins and ends that belongs to the day so many days
// after at's.
func span(w deploy.Window, at time.Time, day int) (from, to time.Time) {
	y, m, d := at.Date()
	from, _ = wall(y, m, d+day, w.From, at.Location())
	if w.To <= w.From {
		day++
	}
	_, to = wall(y, m, d+day, w.To, at.Location())
	return from, to
}

// wall is when the clock on the wall shows so many minutes after midnight: the
// first and the last time that it does; where it never does, the time when it
// is set forward over it.
func wall(y int, m time.Month, d, minutes int, zone *time.Location) (first, last time.Time) {
	wanted := time.Date(y, m, d, 0, minutes, 0, 0, time.UTC)
	var shown []time.Time
	var before time.Time
	for n, near := range []time.Time{wanted.Add(-36 * time.Hour), wanted.Add(36 * time.Hour)} {
		_, offset := near.In(zone).Zone()
		t := wanted.Add(-time.Duration(offset) * time.Second).In(zone)
		if n == 0 {
			before = t
		}
		if t.Hour() == wanted.Hour() && t.Minute() == wanted.Minute() && t.Day() == wanted.Day() {
			shown = append(shown, t)
		}
	}
	if len(shown) == 0 {
		jump, _ := before.ZoneBounds()
		return jump, jump
	}
	return slices.MinFunc(shown, time.Time.Compare), slices.MaxFunc(shown, time.Time.Compare)
}

const layout = "Mon 2006-01-02 15:04 MST"

// When tells a time in a zone, and as it is on this machine where that differs.
func When(t time.Time, zone *time.Location) string {
	there, here := t.In(zone).Format(layout), t.Local().Format(layout)
	if there == here {
		return there
	}
	return there + " (here " + here + ")"
}

// String tells all of it: "there is a freeze until …; it opens …".
func (c *Closed) String() string {
	if c.Until.IsZero() {
		return c.Why + "; no end of that is known"
	}
	return c.Why + "; it opens " + When(c.Until, c.Zone)
}

// Tell writes windows as people do: "mon-fri 09:00-17:00 Europe/Berlin".
func Tell(ws []deploy.Window) string {
	var all []string
	for _, w := range ws {
		text := fmt.Sprintf("%s-%s", clockTime(w.From), clockTime(w.To))
		if days := tellDays(w.Days); days != "" {
			text = days + " " + text
		}
		if w.Zone != "" {
			text += " " + w.Zone
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func clockTime(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

func tellDays(days []time.Weekday) string {
	week := make([]bool, 7) // from Monday
	for _, d := range days {
		week[(int(d)+6)%7] = true
	}
	var parts []string
	for from := 0; from < 7; from++ {
		if !week[from] {
			continue
		}
		to := from
		for to < 6 && week[to+1] {
			to++
		}
		switch to - from {
		case 0:
			parts = append(parts, dayName(from))
		case 1:
			parts = append(parts, dayName(from), dayName(to))
		default:
			parts = append(parts, dayName(from)+"-"+dayName(to))
		}
		from = to
	}
	return strings.Join(parts, ",")
}

func dayName(fromMonday int) string {
	return strings.ToLower(time.Weekday((fromMonday + 1) % 7).String()[:3])
}
