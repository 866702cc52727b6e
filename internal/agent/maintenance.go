package agent

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/proxy"
)

// A maintenance is one that a service was or is in, as it is kept on disk: an
// agent that is killed or replaced meanwhile leaves it to the next one.
type maintenance struct {
	control.Maintenance
	Page  string       `json:"own_page,omitempty"`
	Ended time.Time    `json:"ended,omitzero"`
	As    deploy.Phase `json:"as,omitempty"` // Reopened or RanOut; set when it is to end
}

// maintenancesKept is how many of a service's its history tells of.
const maintenancesKept = 50

// Bounds of what can be asked for.
const (
	longestHold    = time.Hour
	longestRetry   = 24 * time.Hour
	longestClosing = 30 * 24 * time.Hour
	mostClosedPage = 256 << 10
)

func (s *service) maintenanceFile() string {
	return filepath.Join(s.a.o.State, "maintenance", s.name+".json")
}

func (s *service) loadMaintenance() error {
	if err := readJSON(s.maintenanceFile(), &s.closings); err != nil {
		return fmt.Errorf("maintenance %s: %w; remove the file to open the service and forget its maintenance", s.maintenanceFile(), err)
	}
	return nil
}

// closing returns the maintenance that the service is in, nil for none.
func (s *service) closing() *maintenance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closingNow()
}

// closingNow is closing for who holds s.mu.
func (s *service) closingNow() *maintenance {
	if n := len(s.closings); n > 0 && s.closings[n-1].Ended.IsZero() {
		m := s.closings[n-1]
		return &m
	}
	return nil
}

// changeClosing writes down what change makes of the maintenance that the
// service is in (nil for none), and has the steward look at it. A result of nil
// changes nothing.
func (s *service) changeClosing(change func(*maintenance) *maintenance) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.closingNow()
	next := change(old)
	if next == nil {
		return nil
	}
	all := slices.Clone(s.closings)
	if old != nil {
		all[len(all)-1] = *next
	} else {
		all = append(all, *next)
	}
	all = all[max(0, len(all)-maintenancesKept):]
	if err := writeJSON(s.maintenanceFile(), all); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	s.closings, s.tended = all, false
	s.tend()
	return nil
}

// Maintain implements control.Agent. It returns when the requests in question
// are refused, or the end is on its way: what follows is the steward's, and
// AwaitMaintenance tells of it.
func (a *Agent) Maintain(ctx context.Context, q control.MaintenanceRequest) (control.Maintenance, error) {
	s, err := a.known(q.Service)
	if err != nil {
		return control.Maintenance{}, err
	}
	if q.Off {
		return s.open(ctx, deploy.Reopened, q.Who, q.Why)
	}
	if err := cmp.Or(s.mayClose(q), a.proxy.mustKnow(ctx, proxy.KnowsMaintenance)); err != nil {
		return control.Maintenance{}, err
	}
	return s.close(ctx, q)
}

func (s *service) mayClose(q control.MaintenanceRequest) error {
	spec, _ := s.routing()
	bad := func(format string, args ...any) error { return control.Errorf(control.CodeInvalid, format, args...) }
	switch {
	case spec == nil:
		return bad("%s takes no requests (it is a worker, or down), so there are none to keep from it", s.name)
	case spec.Inherits():
		return bad("%s accepts its connections by itself (via: socket), so nobody can keep requests from it; with via: proxy the proxy can", s.name)
	case spec.Proxy.Protocol == deploy.TCP:
		return bad("%s speaks no HTTP (protocol: tcp), so nobody can be told of maintenance; `segue pause` parks its new connections", s.name)
	case q.For < 0 || q.For > longestClosing:
		return bad("maintenance for %s cannot be; it lasts up to %s, or without --for until it is ended", q.For, longestClosing)
	case q.Hold < 0 || q.Hold > longestHold:
		return bad("requests cannot be held for %s; it can be up to %s", q.Hold, longestHold)
	case q.RetryAfter != 0 && q.RetryAfter < time.Second || q.RetryAfter > longestRetry:
		return bad("clients cannot be told to ask again after %s; it can be from 1s to %s", q.RetryAfter, longestRetry)
	case len(q.Page) > mostClosedPage || !utf8.ValidString(q.Page):
		return bad("the page is no text in UTF-8 of up to 256 KiB")
	}
	return nil
}

// close begins maintenance, or changes that which the service is in.
func (s *service) close(ctx context.Context, q control.MaintenanceRequest) (control.Maintenance, error) {
	now := time.Now()
	m := maintenance{Page: q.Page, Maintenance: control.Maintenance{Began: now, Asked: now, Writes: q.Writes,
		Who: q.Who, Why: q.Why, RetryAfter: q.RetryAfter, Hold: q.Hold}}
	if q.For > 0 {
		m.Until = now.Add(q.For)
	}
	if err := s.changeClosing(func(old *maintenance) *maintenance {
		if old != nil {
			m.Began, m.Why, m.Page = old.Began, cmp.Or(m.Why, old.Why), cmp.Or(m.Page, old.Page)
		}
		return &m
	}); err != nil {
		return control.Maintenance{}, err
	}
	s.log.Info("maintenance", "writes", m.Writes, "until", m.Until, "who", m.Who, "why", m.Why)
	s.a.notify(s.name, deploy.Notice{On: deploy.OnMaintenance, Text: m.notice(), Who: m.Who, Why: m.Why})
	if err := s.a.proxy.apply(ctx); err != nil {
		return control.Maintenance{}, err
	}
	return s.closingStatus(), nil
}

func (m *maintenance) notice() string {
	text := "it is under maintenance: all requests are refused"
	if m.Writes {
		text = "it is under maintenance: it can be read, and takes no changes"
	}
	if !m.Until.IsZero() {
		text += " until " + m.Until.Format("2006-01-02 15:04 MST")
	}
	return text
}

// open has maintenance end. Said again, it is tried again.
func (s *service) open(_ context.Context, as deploy.Phase, who, why string) (control.Maintenance, error) {
	found := false
	err := s.changeClosing(func(m *maintenance) *maintenance {
		if found = m != nil; !found {
			return nil
		}
		if m.As == "" {
			m.As = as
		}
		m.Opening, m.Failed, m.Asked = true, "", time.Now()
		return m
	})
	if err != nil {
		return control.Maintenance{}, err
	}
	if !found {
		return control.Maintenance{Off: true, Nothing: true}, nil
	}
	s.log.Info("maintenance is to end", "as", as, "who", who, "why", why)
	if r := s.underWay(); r != nil && r.Kind == deploy.KindMode && r.Mode == deploy.ReadOnly && r.Phase == deploy.Forward {
		_, err = s.callOff(*r, control.Request{Who: who, Why: "maintenance is over"})
	}
	return s.closingStatus(), err
}

// AwaitMaintenance implements control.Agent.
func (a *Agent) AwaitMaintenance(ctx context.Context, q control.Request) (control.Maintenance, error) {
	s, err := a.known(q.Service)
	if err != nil {
		return control.Maintenance{}, err
	}
	ctx, done := a.whileStaying(ctx)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		s.mu.Lock()
		tended, changed := s.tended || s.closingNow() == nil, s.stewardNews
		s.mu.Unlock()
		if tended {
			return s.closingStatus(), nil
		}
		select {
		case <-ctx.Done():
			return s.closingStatus(), nil
		case <-changed:
		}
	}
}

// closingStatus is what is told of the maintenance that the service is in.
func (s *service) closingStatus() control.Maintenance {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.closingNow()
	if m == nil {
		return control.Maintenance{Off: true}
	}
	out := m.Maintenance
	out.Doing, out.InFlight = s.stewardDoes, s.stewardLeft
	if !s.tended && out.Doing == "" {
		out.Doing = "beginning"
	}
	return out
}

// closingShown is the same for Status: nil when there is none.
func (s *service) closingShown() *control.Maintenance {
	if m := s.closingStatus(); !m.Off {
		return &m
	}
	return nil
}

// routedMaintenance gives the maintenance as the proxy wants it. It ends there
// by itself, unless instances for writes must be started first.
func (s *service) routedMaintenance(spec *deploy.Service) *proxy.Maintenance {
	m := s.closing()
	if m == nil {
		return nil
	}
	out := &proxy.Maintenance{Writes: m.Writes, RetryAfter: m.RetryAfter, Page: m.Page, Why: m.Why, Hold: m.Hold}
	if c := spec.Maintenance; c != nil {
		out.RetryAfter, out.Page = cmp.Or(out.RetryAfter, c.RetryAfter), cmp.Or(out.Page, c.Page)
	}
	if !m.Writes || !spec.ReadsApart() {
		out.Until = m.Until
	}
	return out
}

// pastClosings tells of the service's maintenance as the history does.
func (s *service) pastClosings() []deploy.Rollout {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []deploy.Rollout
	for _, m := range s.closings {
		r := deploy.Rollout{Service: s.name, Kind: deploy.KindMaintenance, Phase: deploy.Closed, Who: m.Who, Why: m.Why, Began: m.Began, Ended: m.Ended}
		if m.Writes {
			r.Mode = deploy.ReadOnly
		}
		if !m.Ended.IsZero() {
			r.Phase = m.As
		}
		out = append(out, r)
	}
	return out
}
