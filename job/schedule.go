package job

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// A Schedule says when a job is due. What it says must depend on t alone, so that
// all instances agree on it without a word.
type Schedule interface {
	// Next is the first time after t at which the job is due; zero: never.
	Next(t time.Time) time.Time
}

// Every is due at all multiples of d since the beginning of 1970 in UTC: Every(10 *
// time.Second) at 15:04:00, 15:04:10, and so on, whenever the process was started.
// It panics if d is less than a millisecond.
func Every(d time.Duration) Schedule {
	if d < time.Millisecond {
		panic(fmt.Sprintf("job: Every(%v): it is a millisecond at least", d))
	}
	return every(d)
}

type every time.Duration

func (e every) Next(t time.Time) time.Time {
	d := int64(e)
	n := t.UnixNano()
	rest := n % d
	if rest < 0 {
		rest += d
	}
	return time.Unix(0, n-rest+d).UTC()
}

func (e every) String() string { return "every " + time.Duration(e).String() }

// Delay is due when d has passed since the last run's end, whichever instance it
// was on, and at once when there was none. It panics if d is less than a
// millisecond.
func Delay(d time.Duration) Schedule {
	if d < time.Millisecond {
		panic(fmt.Sprintf("job: Delay(%v): it is a millisecond at least", d))
	}
	return delay(d)
}

type delay time.Duration

// Next is asked with the end of the last run.
func (d delay) Next(t time.Time) time.Time { return t.Add(time.Duration(d)).UTC() }

func (d delay) String() string { return time.Duration(d).String() + " after the last" }

// Cron is ParseCron for expressions that stand in the program: it panics where
// that returns an error.
func Cron(expression string, options ...CronOption) Schedule {
	s, err := ParseCron(expression, options...)
	if err != nil {
		panic(err)
	}
	return s
}

// ParseCron reads a cron expression of five fields (minute, hour, day of the month,
// month, day of the week), of six with seconds in front, or a descriptor: @hourly,
// @daily (@midnight), @weekly, @monthly, @yearly (@annually), and @every 90s, which is Every.
// Times are in UTC, or in the zone of [In], or in the one that the expression
// begins with: "CRON_TZ=Europe/Berlin 30 2 * * *". The parser is robfig/cron's.
//
// In zones with summer time, what is due at an hour that is left out in spring is
// not due on that day, and what is due at an hour that comes twice in autumn is due
// twice. In UTC there are no such days.
func ParseCron(expression string, options ...CronOption) (Schedule, error) {
	c := cronSchedule{expression: expression, zone: time.UTC}
	for _, o := range options {
		o(&c)
	}
	parser := cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	parsed, err := parser.Parse(expression)
	if err != nil {
		return nil, fmt.Errorf("job: cron expression %q: %w; it is five fields, as in \"*/5 * * * *\", six with seconds in front, or a descriptor, as in \"@hourly\"", expression, err)
	}
	if every, ok := parsed.(cron.ConstantDelaySchedule); ok {
		return Every(every.Delay), nil
	}
	c.Schedule = parsed
	if spec, ok := parsed.(*cron.SpecSchedule); ok && spec.Location != time.Local {
		c.zone = spec.Location
	}
	return c, nil
}

// A CronOption changes how a cron expression is read.
type CronOption func(*cronSchedule)

// In has a cron expression be in a time zone: time.Local is that of the machine,
// which should be the same for all instances. An expression's own CRON_TZ stands
// above it. It panics if zone is nil.
func In(zone *time.Location) CronOption {
	if zone == nil {
		panic("job: In(nil): it takes a time zone, as time.LoadLocation returns it")
	}
	return func(c *cronSchedule) { c.zone = zone }
}

type cronSchedule struct {
	cron.Schedule
	expression string
	zone       *time.Location
}

func (c cronSchedule) Next(t time.Time) time.Time { return c.Schedule.Next(t.In(c.zone)).UTC() }

func (c cronSchedule) String() string { return "cron " + c.expression + " (" + c.zone.String() + ")" }

// latest is the last time of a schedule that is after one and not after another;
// zero: none. It looks back over longer and longer spans, so that a schedule of
// seconds that was not looked at for a year takes no longer.
func latest(s Schedule, after, until time.Time) (last time.Time) {
	for span := time.Second; last.IsZero() && after.Before(until); span *= 60 {
		from := until.Add(-span)
		if span > year || from.Before(after) {
			from = after
		}
		for t := s.Next(from); !t.IsZero() && !t.After(until); t = s.Next(t) {
			last = t
		}
		if from.Equal(after) {
			break
		}
	}
	return last
}

const year = 366 * 24 * time.Hour

// between counts the times of a schedule after one and not after another, up to
// countedTimes, and gives the first and the last of them.
func between(s Schedule, after, until time.Time) (n int, first, last time.Time) {
	for t := s.Next(after); !t.IsZero() && !t.After(until) && n < countedTimes; t = s.Next(t) {
		if n++; n == 1 {
			first = t
		}
		last = t
	}
	return n, first, last
}

const countedTimes = 10_000
