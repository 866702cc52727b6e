package calendar

import (
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	x, err := time.Parse("2006-01-02 15:04 -0700", text)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

var workdays = []time.Weekday{1, 2, 3, 4, 5}

func window(from, to int, days ...time.Weekday) deploy.Window {
	return deploy.Window{Days: days, From: from * 60, To: to * 60, Zone: "Europe/Berlin"}
}

// TestOpens: when the next deploy may go out; "" says at once, "never" what it says.
func TestOpens(t *testing.T) {
	holidays := deploy.Freeze{From: at(t, "2026-12-18 00:00 +0100"), To: at(t, "2027-01-06 00:00 +0100"), Why: "holidays"}
	for name, c := range map[string]struct {
		calendar deploy.Calendar
		now      string
		want     string
	}{
		"nothing said":            {deploy.Calendar{}, "2026-11-22 03:00 +0100", ""},
		"inside":                  {deploy.Calendar{Windows: []deploy.Window{window(9, 17, workdays...)}}, "2026-11-23 09:00 +0100", ""},
		"before":                  {deploy.Calendar{Windows: []deploy.Window{window(9, 17, workdays...)}}, "2026-11-23 08:59 +0100", "2026-11-23 09:00 +0100"},
		"its end is outside":      {deploy.Calendar{Windows: []deploy.Window{window(9, 17, workdays...)}}, "2026-11-23 17:00 +0100", "2026-11-24 09:00 +0100"},
		"over the weekend":        {deploy.Calendar{Windows: []deploy.Window{window(9, 17, workdays...)}}, "2026-11-20 17:30 +0100", "2026-11-23 09:00 +0100"},
		"once a week, just over":  {deploy.Calendar{Windows: []deploy.Window{window(9, 10, 1)}}, "2026-11-23 10:00 +0100", "2026-11-30 09:00 +0100"},
		"two windows":             {deploy.Calendar{Windows: []deploy.Window{window(9, 10), window(14, 15)}}, "2026-11-23 11:00 +0100", "2026-11-23 14:00 +0100"},
		"another zone's clock":    {deploy.Calendar{Windows: []deploy.Window{window(9, 17, workdays...)}}, "2026-11-23 08:30 +0000", ""},
		"over midnight, evening":  {deploy.Calendar{Windows: []deploy.Window{window(22, 4, 5)}}, "2026-11-20 23:00 +0100", ""},
		"over midnight, morning":  {deploy.Calendar{Windows: []deploy.Window{window(22, 4, 5)}}, "2026-11-21 03:59 +0100", ""},
		"over midnight, over":     {deploy.Calendar{Windows: []deploy.Window{window(22, 4, 5)}}, "2026-11-21 04:00 +0100", "2026-11-27 22:00 +0100"},
		"the whole day":           {deploy.Calendar{Windows: []deploy.Window{window(0, 24, 6)}}, "2026-11-21 23:59 +0100", ""},
		"the whole day, over":     {deploy.Calendar{Windows: []deploy.Window{window(0, 24, 6)}}, "2026-11-22 00:00 +0100", "2026-11-28 00:00 +0100"},
		"freeze":                  {deploy.Calendar{Freezes: []deploy.Freeze{holidays}}, "2026-12-24 12:00 +0100", "2027-01-06 00:00 +0100"},
		"before the freeze":       {deploy.Calendar{Freezes: []deploy.Freeze{holidays}}, "2026-12-17 23:59 +0100", ""},
		"freeze, then the window": {deploy.Calendar{Windows: []deploy.Window{window(9, 17, workdays...)}, Freezes: []deploy.Freeze{holidays}}, "2026-12-24 12:00 +0100", "2027-01-06 09:00 +0100"},
		"the window runs into the freeze": {deploy.Calendar{Windows: []deploy.Window{window(9, 17, 5)}, Freezes: []deploy.Freeze{holidays}},
			"2026-12-17 12:00 +0100", "2027-01-08 09:00 +0100"},
		"one freeze in another": {deploy.Calendar{Freezes: []deploy.Freeze{holidays, {From: holidays.From, To: holidays.From.Add(time.Hour)}}}, "2026-12-18 00:30 +0100", "2027-01-06 00:00 +0100"},
		"one freeze after another": {deploy.Calendar{Freezes: []deploy.Freeze{{From: holidays.To, To: holidays.To.Add(time.Hour)}, holidays}},
			"2026-12-24 12:00 +0100", "2027-01-06 01:00 +0100"},
		"a freeze without an end": {deploy.Calendar{Freezes: []deploy.Freeze{{Why: "sold"}}}, "2026-12-24 12:00 +0100", "never"},
		"no such zone here":       {deploy.Calendar{Windows: []deploy.Window{{To: 60, Zone: "Mars/Olympus"}}}, "2026-12-24 12:00 +0100", "never"},

		// 2027-03-28: 02:00 CET is 03:00 CEST.
		"begins in the hour left out": {deploy.Calendar{Windows: []deploy.Window{{From: 150, To: 300, Zone: "Europe/Berlin"}}}, "2027-03-28 01:59 +0100", "2027-03-28 03:00 +0200"},
		"ends in the hour left out":   {deploy.Calendar{Windows: []deploy.Window{{From: 60, To: 150, Zone: "Europe/Berlin"}}}, "2027-03-28 03:00 +0200", "2027-03-29 01:00 +0200"},
		"all in the hour left out":    {deploy.Calendar{Windows: []deploy.Window{{From: 130, To: 150, Zone: "Europe/Berlin"}}}, "2027-03-28 01:59 +0100", "2027-03-29 02:10 +0200"},
		// 2026-10-25: 03:00 CEST is 02:00 CET.
		"begins in the hour that comes twice": {deploy.Calendar{Windows: []deploy.Window{{From: 150, To: 300, Zone: "Europe/Berlin"}}}, "2026-10-25 02:29 +0200", "2026-10-25 02:30 +0200"},
		"ends in the hour that comes twice":   {deploy.Calendar{Windows: []deploy.Window{{From: 60, To: 150, Zone: "Europe/Berlin"}}}, "2026-10-25 02:29 +0100", ""},
		"and is over then":                    {deploy.Calendar{Windows: []deploy.Window{{From: 60, To: 150, Zone: "Europe/Berlin"}}}, "2026-10-25 02:30 +0100", "2026-10-26 01:00 +0100"},
		// Samoa left out a whole day.
		"a day left out": {deploy.Calendar{Windows: []deploy.Window{{Days: []time.Weekday{5}, From: 540, To: 600, Zone: "Pacific/Apia"}}}, "2011-12-29 12:00 -1000", "2012-01-06 09:00 +1400"},
	} {
		t.Run(name, func(t *testing.T) {
			now := at(t, c.now)
			got := At(c.calendar, now)
			switch {
			case c.want == "":
				if got != nil {
					t.Errorf("closed: %s", got)
				}
			case got == nil:
				t.Error("open")
			case c.want == "never":
				if !got.Until.IsZero() {
					t.Errorf("it opens %s", got.Until)
				}
			case !got.Until.Equal(at(t, c.want)):
				t.Errorf("it opens %s, want %s", got.Until, c.want)
			}
		})
	}
}

// TestOpensWhereItSays: what At names as the next opening is open.
func TestOpensWhereItSays(t *testing.T) {
	c := deploy.Calendar{Windows: []deploy.Window{window(9, 17, workdays...), {From: 1410, To: 140, Zone: "America/New_York"}, {From: 150, To: 170, Zone: "Australia/Lord_Howe"}},
		Freezes: []deploy.Freeze{{From: at(t, "2026-12-18 00:00 +0100"), To: at(t, "2027-01-06 02:20 +0100")}}}
	for now := at(t, "2026-01-01 00:00 +0000"); now.Year() < 2028; now = now.Add(167 * time.Minute) {
		if x := At(c, now); x != nil {
			if !x.Until.After(now) || At(c, x.Until) != nil {
				t.Fatalf("at %s: opens %s, which is %v", now, x.Until, At(c, x.Until))
			}
			if before := At(c, x.Until.Add(-time.Second)); before == nil {
				t.Fatalf("at %s: it opens before %s", now, x.Until)
			}
		}
	}
}

func TestWords(t *testing.T) {
	c := deploy.Calendar{Windows: []deploy.Window{window(9, 17, workdays...), {Days: []time.Weekday{0, 6}, From: 1320, To: 240}, {To: 1440}}}
	x := At(deploy.Calendar{Windows: c.Windows[:1]}, at(t, "2026-11-22 03:00 +0100"))
	if want := "it is outside the windows (mon-fri 09:00-17:00 Europe/Berlin); it opens Mon 2026-11-23 09:00 CET"; !strings.HasPrefix(x.String(), want) {
		t.Errorf("%q, want %q", x, want)
	}
	if got, want := Tell(c.Windows), "mon-fri 09:00-17:00 Europe/Berlin, sat,sun 22:00-04:00, 00:00-24:00"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	x = At(deploy.Calendar{Freezes: []deploy.Freeze{{Why: "audit"}}}, time.Now())
	if got, want := x.String(), "there is a freeze: audit; no end of that is known"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
