package job_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/job"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestSchedules(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	for name, c := range map[string]struct {
		when job.Schedule
		from string
		want string // the next three, in UTC
	}{
		"every":                       {job.Every(10 * time.Second), "2026-11-22T14:30:05Z", "14:30:10 14:30:20 14:30:30"},
		"every, at such a time":       {job.Every(10 * time.Second), "2026-11-22T14:30:10Z", "14:30:20 14:30:30 14:30:40"},
		"every, before 1970":          {job.Every(time.Minute), "1969-12-31T23:58:30Z", "23:59:00 00:00:00 00:01:00"},
		"delay":                       {job.Delay(90 * time.Second), "2026-11-22T14:30:05Z", "14:31:35 14:33:05 14:34:35"},
		"cron":                        {job.Cron("*/5 * * * *"), "2026-11-22T14:30:05Z", "14:35:00 14:40:00 14:45:00"},
		"cron with seconds":           {job.Cron("*/20 * * * * *"), "2026-11-22T14:30:05Z", "14:30:20 14:30:40 14:31:00"},
		"cron is in UTC":              {job.Cron("0 3 * * *"), "2026-11-22T14:30:05Z", "03:00:00 03:00:00 03:00:00"},
		"a descriptor":                {job.Cron("@hourly"), "2026-11-22T14:30:05Z", "15:00:00 16:00:00 17:00:00"},
		"@every is Every":             {job.Cron("@every 90s"), "2026-11-22T14:30:05Z", "14:31:30 14:33:00 14:34:30"},
		"a zone":                      {job.Cron("0 3 * * *", job.In(berlin)), "2026-11-22T14:30:05Z", "02:00:00 02:00:00 02:00:00"},
		"a zone of its own":           {job.Cron("CRON_TZ=Asia/Tokyo 0 3 * * *", job.In(berlin)), "2026-11-22T14:30:05Z", "18:00:00 18:00:00 18:00:00"},
		"an hour that is left out":    {job.Cron("30 2 * * *", job.In(berlin)), "2026-03-28T00:00:00Z", "01:30:00 00:30:00 00:30:00"},
		"an hour that comes twice":    {job.Cron("30 2 * * *", job.In(berlin)), "2026-10-25T00:00:00Z", "00:30:00 01:30:00 01:30:00"},
		"every hour, in the long day": {job.Cron("0 * * * *", job.In(berlin)), "2026-10-24T23:30:00Z", "00:00:00 01:00:00 02:00:00"},
	} {
		t.Run(name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.from)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for range 3 {
				next := c.when.Next(at)
				if !next.After(at) || next.Location() != time.UTC {
					t.Fatalf("after %v comes %v", at, next)
				}
				got, at = append(got, next.Format(time.TimeOnly)), next
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

func TestTheDayWithoutTheHourHasNoRun(t *testing.T) {
	s := job.Cron("30 2 * * *", job.In(zone(t, "Europe/Berlin")))
	next := s.Next(time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC))
	if want := time.Date(2026, 3, 30, 0, 30, 0, 0, time.UTC); !next.Equal(want) {
		t.Errorf("got %v, want %v: the 29th has no half past two", next, want)
	}
}

func TestExpressionsThatAreNone(t *testing.T) {
	for _, expression := range []string{"", "* * *", "61 * * * *", "@sometimes", "CRON_TZ=Nowhere/At_All * * * * *"} {
		if s, err := job.ParseCron(expression); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", expression)) {
			t.Errorf("%q: %v, %v", expression, s, err)
		}
	}
}

func TestLatestLooksBackWithoutCountingAllTheWay(t *testing.T) {
	never := job.Cron("0 0 30 2 *") // the 30th of February
	until := time.Date(2026, 11, 22, 14, 30, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		when  job.Schedule
		after time.Time
		want  string
	}{
		"a second ago":  {job.Every(time.Second), until.AddDate(-20, 0, 0), "2026-11-22T14:30:05Z"},
		"a month ago":   {job.Cron("0 0 1 * *"), until.AddDate(-1, 0, 0), "2026-11-01T00:00:00Z"},
		"years ago":     {job.Cron("0 0 29 2 *"), until.AddDate(-3, 0, 0), "2024-02-29T00:00:00Z"},
		"not since":     {job.Cron("0 0 29 2 *"), until.AddDate(-2, 0, 0), ""},
		"never":         {never, until.AddDate(-2, 0, 0), ""},
		"not after now": {job.Every(time.Second), until, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if last := job.Latest(c.when, c.after, until); !last.IsZero() {
				got = last.Format(time.RFC3339)
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
