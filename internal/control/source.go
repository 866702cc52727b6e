package control

import (
	"context"
	"net/url"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// Sources are the branches that the agent watches and deploys.
type Sources interface {
	// LookAtSource looks at a service's source at once and returns what it then
	// knows of it; what is new, or with Retry what has failed, is then deployed
	// without waiting for the schedule.
	LookAtSource(ctx context.Context, r SourceRequest) (Source, error)
	// SourceLog returns what the last attempt has written.
	SourceLog(ctx context.Context, service string) (string, error)
}

// SourceRequest asks for a look at a source.
type SourceRequest struct {
	Service string `json:"service"`
	Retry   bool   `json:"retry,omitempty"`
	Who     string `json:"who"`
}

// A Source is what is known of a service's.
type Source struct {
	Repo     string        `json:"repo"` // without a name and password
	Branch   string        `json:"branch"`
	Schedule string        `json:"schedule,omitempty"` // "" at once
	Every    time.Duration `json:"every"`
	Seen     string        `json:"seen,omitempty"` // hash of the newest commit
	SeenAt   time.Time     `json:"seen_at,omitzero"`
	Looked   time.Time     `json:"looked,omitzero"`   // the last time with success
	Due      time.Time     `json:"due,omitzero"`      // by the schedule
	Waits    string        `json:"waits,omitempty"`   // why what is new is not deployed yet
	Problem  string        `json:"problem,omitempty"` // why the repository cannot be read
	Next     time.Time     `json:"next,omitzero"`     // look
	Tried    *Attempt      `json:"tried,omitempty"`   // the last one
}

// An Attempt is one to deploy a commit.
type Attempt struct {
	Commit  string        `json:"commit"`
	Subject string        `json:"subject,omitempty"`
	Began   time.Time     `json:"began"`
	Ended   time.Time     `json:"ended,omitzero"`
	As      AttemptResult `json:"as"`
	Note    string        `json:"note,omitempty"` // why it failed
}

// AttemptResult is where an attempt stands.
type AttemptResult string

const (
	Trying     AttemptResult = "trying"
	Deployed   AttemptResult = "deployed"
	RolledBack AttemptResult = "rolled back"
	Failed     AttemptResult = "failed" // before there was a rollout
)

// NewSource tells of a source, of which nothing else is known yet.
func NewSource(s deploy.Source) Source {
	return Source{Repo: shown(s.Repo), Branch: s.Branch, Schedule: s.Schedule, Every: s.Every}
}

// shown is a repository without a user's name and password.
func shown(repo string) string {
	if u, err := url.Parse(repo); err == nil && u.User != nil && u.Host != "" {
		u.User = nil
		return u.String()
	}
	return repo
}

func (c *Client) LookAtSource(ctx context.Context, r SourceRequest) (x Source, err error) {
	return x, c.post(ctx, "/v1/source", r, &x)
}

func (c *Client) SourceLog(ctx context.Context, service string) (text string, err error) {
	return text, c.get(ctx, "/v1/source/log?service="+url.QueryEscape(service), &text)
}
