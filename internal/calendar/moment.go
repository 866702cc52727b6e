package calendar

import (
	"errors"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// Moment reads a time as people write it: "2026-12-18 18:00" in a zone,
// "2026-12-18T18:00:00+01:00", or a day alone, of which it returns the begin,
// or with over the end: what lasts until a day lasts through it.
func Moment(text string, zone *time.Location, over bool) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.In(zone), nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			first, last := wall(t.Year(), t.Month(), t.Day(), t.Hour()*60+t.Minute(), zone)
			if over {
				first = last
			}
			return first.Add(time.Duration(t.Second()) * time.Second), nil
		}
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither a day (2026-12-18) nor a time (2026-12-18 18:00)", text)
	}
	day := t.Day()
	if over {
		day++
	}
	at, _ := wall(t.Year(), t.Month(), day, 0, zone)
	return at, nil
}

// A Schedule tells when something is due.
type Schedule struct {
	spec cron.Schedule
	zone *time.Location
}

// ParseSchedule reads five fields as in crontab(5), or @daily and its like. A
// time that the clock on the wall leaves out in some night is left out then.
func ParseSchedule(text string, zone *time.Location) (*Schedule, error) {
	p := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	spec, err := p.Parse(text)
	if err != nil {
		return nil, err
	}
	if _, own := spec.(*cron.SpecSchedule); !own {
		return nil, errors.New("@every has no time of day; use source.every")
	}
	if s := spec.(*cron.SpecSchedule); s.Location != time.Local {
		return nil, errors.New("the zone has a key of its own; take TZ= out")
	}
	s := &Schedule{spec, zone}
	if s.Next(time.Unix(0, 0)).IsZero() {
		return nil, errors.New("no day is like that")
	}
	return s, nil
}

// Next is the first time after t at which it is due.
func (s *Schedule) Next(t time.Time) time.Time { return s.spec.Next(t.In(s.zone)) }
