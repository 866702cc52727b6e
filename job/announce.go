package job

import (
	"context"
	"encoding/json"
	"time"

	"github.com/seguehq/segue/store"
)

// A notice is what a process tells of a job that it has.
type notice struct {
	Name     string        `json:"name"`
	Schedule string        `json:"schedule,omitempty"`
	Next     time.Time     `json:"next,omitzero"` // when the notice was written; zero: the record says it
	Delay    time.Duration `json:"delay,omitempty"`
	Every    time.Duration `json:"every,omitempty"`
	Cron     string        `json:"cron,omitempty"`
	Zone     string        `json:"zone,omitempty"`
	AtMost   time.Duration `json:"atMost,omitempty"`
	Overlong time.Duration `json:"overlong,omitempty"`
	Overdue  time.Duration `json:"overdue,omitempty"`
}

// announcedFor is how many leases a process's notices are kept for. They are written
// anew every two.
const announcedFor = 6

// announce tells what jobs this process has.
func (p *presence) announce(ctx context.Context, id string) error {
	notices := make([]notice, 0, len(p.jobs))
	for _, d := range p.jobs {
		notices = append(notices, d.notice(p.now()))
	}
	value, err := json.Marshal(notices)
	if err == nil {
		_, err = p.store.Put(ctx, store.Write{Key: jobsPrefix + id, Value: value, Expect: store.Any, TTL: announcedFor * p.lease})
	}
	return err
}

func (d definition) notice(now time.Time) notice {
	n := notice{Name: d.name, Schedule: scheduleText(d.when), AtMost: d.atMost, Overlong: d.overlong, Overdue: d.overdue}
	switch s := d.when.(type) {
	case every:
		n.Every = time.Duration(s)
	case delay:
		n.Delay = time.Duration(s)
	case cronSchedule:
		n.Cron, n.Zone = s.expression, s.zone.String()
		n.Next = s.Next(now)
	default:
		n.Next = s.Next(now)
	}
	return n
}

// when is the schedule that a notice is of; nil if only the process itself knows
// that.
func (n notice) when() Schedule {
	switch {
	case n.Every > 0:
		return every(n.Every)
	case n.Delay > 0:
		return delay(n.Delay)
	case n.Cron != "":
		zone, err := time.LoadLocation(n.Zone)
		if err != nil {
			return nil // a zone that this machine has not heard of
		}
		if s, err := ParseCron(n.Cron, In(zone)); err == nil {
			return s
		}
	}
	return nil
}
