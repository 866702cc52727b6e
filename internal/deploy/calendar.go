package deploy

import "time"

// A Calendar says when a service that runs may be deployed: inside one of the
// Windows, if there are any, and outside all Freezes. It is no part of a Release:
// to change it replaces no instance.
type Calendar struct {
	Windows []Window `json:"windows,omitempty"`
	Freezes []Freeze `json:"freezes,omitempty"`
}

// A Window comes again each week.
type Window struct {
	Days []time.Weekday `json:"days,omitempty"` // on which it begins; none: every day
	From int            `json:"from"`           // minutes after midnight, 0 to 1439
	To   int            `json:"to"`             // minutes after midnight, 1 to 1440; not above From: of the next day
	Zone string         `json:"zone,omitempty"` // of the IANA database; "" is the machine's
}

// A Freeze lasts from From to just before To. A zero From has always begun, a zero To never ends.
type Freeze struct {
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	Zone string    `json:"zone,omitempty"` // in which people think of both; "" is the machine's
	Why  string    `json:"why,omitempty"`
}

// Holds reports whether the freeze is in force at t.
func (f *Freeze) Holds(t time.Time) bool {
	return !t.Before(f.From) && (f.To.IsZero() || t.Before(f.To))
}

// A Source is a branch of a Git repository whose commits are deployed.
type Source struct {
	Repo     string        `json:"repo"`               // a path, or a URL; may hold a secret
	Branch   string        `json:"branch"`             // without refs/heads/
	File     string        `json:"file"`               // segue.yaml, relative to the top of the repository
	Schedule string        `json:"schedule,omitempty"` // five fields of crontab(5): when the newest commit goes out; "" at once
	Zone     string        `json:"zone,omitempty"`     // of Schedule; "" is the machine's
	Every    time.Duration `json:"every"`              // from one look to the next
	Key      string        `json:"key,omitempty"`      // file path of an SSH key; "" the user's own
}
