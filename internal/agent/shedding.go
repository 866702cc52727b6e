package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/proxy"
)

// A shedding is a time in which a service turned requests away, or still does, as it is
// kept on disk: the next agent goes on with it.
type shedding struct {
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended,omitzero"`
	Level   string    `json:"level"`   // the highest importance that was turned away
	Because string    `json:"because"` // what there was too much of, when that was reached
	Turned  int64     `json:"turned"`  // requests
	Proxy   int       `json:"proxy"`   // process whose count Turned goes by
	Counted int64     `json:"counted"` // which was this
}

const (
	// sheddingsKept is how many of a service's its history tells of.
	sheddingsKept = 50
	// sheddingEvery is how often the proxy is asked, of services that can shed.
	sheddingEvery = time.Second
	// sheddingHold is how long after the last request turned away a time of shedding is
	// over. What comes and goes within it is one.
	sheddingHold = 5 * time.Second
)

// levels are what can be turned away, the least important first.
var levels = []string{proxy.ImportanceLow, proxy.ImportanceNormal, proxy.ImportanceHigh}

// shedState is what the agent knows of a service's shedding; guarded by service.mu.
type shedState struct {
	past  []shedding // oldest first; the last may be under way
	shown *control.Shedding
	seen  [3]time.Time // when a level was last turned away
	proxy int          // process that was asked last, 0 none
	count int64        // of it then
	flags shedFlags
}

func (s *service) sheddingFile() string {
	return filepath.Join(s.a.o.State, "shedding", s.name+".json")
}

func (s *service) loadSheddings() error {
	if err := readJSON(s.sheddingFile(), &s.shed.past); err != nil {
		return fmt.Errorf("shedding %s: %w; remove the file to forget when requests were turned away", s.sheddingFile(), err)
	}
	s.shed.resume(time.Now())
	return nil
}

// resume goes on where an agent has left off that may have died long ago.
func (s *shedState) resume(now time.Time) {
	if e := s.open(); e != nil {
		s.proxy, s.count = e.Proxy, e.Counted
		s.saw(slices.Index(levels, e.Level), now)
	}
}

// open is the time of shedding that is under way, nil for none.
func (s *shedState) open() *shedding {
	if n := len(s.past); n > 0 && s.past[n-1].Ended.IsZero() {
		return &s.past[n-1]
	}
	return nil
}

func (s *shedState) saw(level int, now time.Time) {
	for i := range level + 1 {
		s.seen[i] = now
	}
}

// level is the highest that was turned away within sheddingHold; -1 none was.
func (s *shedState) level(now time.Time) int {
	for i := len(levels) - 1; i >= 0; i-- {
		if !s.seen[i].IsZero() && now.Sub(s.seen[i]) < sheddingHold {
			return i
		}
	}
	return -1
}

// A shedNews is what has changed, for people.
type shedNews string

// look takes in what a proxy tells, nil when the service does not shed there, and
// gives what there is to tell, and whether past is to be written down.
func (s *shedState) look(st *proxy.SheddingStatus, pid int, because string, now time.Time) (news shedNews, keep bool) {
	turned, level := s.turned(st, pid), -1
	if st != nil && st.Level != "" {
		level = slices.Index(levels, st.Level)
	}
	if turned > 0 {
		level = max(level, 0) // between two looks
	}
	if level >= 0 {
		s.saw(level, now)
	}
	e := s.open()
	switch {
	case e == nil && level < 0:
		return "", false
	case e == nil:
		s.past = append(s.past, shedding{Began: now, Level: levels[level], Because: because})
		s.past = s.past[max(0, len(s.past)-sheddingsKept):]
		e = s.open()
		news, keep = shedNews(fmt.Sprintf("it is short of capacity and turns requests away: %s (%s)", levels[level], because)), true
	case level > slices.Index(levels, e.Level):
		e.Level, e.Because = levels[level], because
		news, keep = shedNews(fmt.Sprintf("it turns away what is %s, too (%s)", e.Level, because)), true
	case s.level(now) < 0:
		e.Ended = s.seen[0]
		news, keep = shedNews(fmt.Sprintf("it turns nobody away any more; %d requests were, in %s", e.Turned, e.Ended.Sub(e.Began).Round(time.Second))), true
	}
	e.Turned += turned
	e.Proxy, e.Counted = s.proxy, s.count
	return news, keep
}

// turned is how many requests were turned away since the last look.
func (s *shedState) turned(st *proxy.SheddingStatus, pid int) int64 {
	if st == nil {
		return 0
	}
	var count int64
	for _, n := range st.Shed {
		count += n
	}
	was := s.count
	switch {
	case s.proxy == 0: // what it has counted so far is not of now
		was = count
	case s.proxy != pid:
		was = 0
	}
	s.proxy, s.count = pid, count
	return max(count-was, 0)
}

// watchShedding follows what the proxy turns away until ctx ends.
func (a *Agent) watchShedding(ctx context.Context) {
	for wait(ctx, sheddingEvery) == nil {
		var shedders []*service
		for _, s := range a.all() {
			if s.sheds() {
				shedders = append(shedders, s)
			}
		}
		p := a.proxy.now()
		if len(shedders) == 0 || p == nil {
			continue
		}
		st, err := p.client.Status(ctx)
		if err != nil {
			continue // one that has died is told of elsewhere, and turns nobody away
		}
		for _, s := range shedders {
			s.lookAtShedding(ctx, st)
		}
	}
}

// sheds tells whether there is anything to ask the proxy about.
func (s *service) sheds() bool {
	spec, _ := s.routing()
	s.mu.Lock()
	defer s.mu.Unlock()
	return spec != nil && spec.Shedding != nil || s.shed.open() != nil || s.shed.shown != nil || s.shed.flags.word() != ""
}

func (s *service) lookAtShedding(ctx context.Context, st proxy.Status) {
	var at *proxy.SheddingStatus
	for _, x := range st.Services {
		if x.Name == s.name {
			at = x.Shedding
		}
	}
	spec, _ := s.routing()
	because := ""
	if at != nil && spec != nil && spec.Shedding != nil {
		because = shedBecause(at, spec.Shedding)
	}
	now := time.Now()
	s.mu.Lock()
	news, keep := s.shed.look(at, st.PID, because, now)
	level := s.shed.level(now)
	s.shed.shown = s.shed.show(at, because)
	past := slices.Clone(s.shed.past)
	s.mu.Unlock()
	if keep {
		if err := writeJSON(s.sheddingFile(), past); err != nil {
			s.log.Warn("write down that requests are turned away", "error", err)
		}
	}
	if news != "" {
		s.log.Info("shedding", "news", string(news))
		s.notify(deploy.Notice{On: deploy.OnShedding, Text: string(news), Who: "segue"}, s.concerned())
	}
	s.shedFlags(ctx, level, because)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shed.shown != nil {
		s.shed.shown.Flags = s.shed.flags.word()
	}
}

// shedBecause tells what there is too much of: "in flight 130 of 100".
func shedBecause(at *proxy.SheddingStatus, s *deploy.Shedding) string {
	switch at.Because {
	case "p95":
		return fmt.Sprintf("p95 %s, bound %s", at.P95.Round(time.Millisecond), s.P95)
	case "errors":
		return fmt.Sprintf("errors %g %%, bound %g %%", at.Errors, s.Errors)
	}
	return fmt.Sprintf("in flight %d of %d", at.InFlight, at.Most)
}

// show is what Status tells: nil when nothing is shed.
func (s *shedState) show(at *proxy.SheddingStatus, because string) *control.Shedding {
	e := s.open()
	if e == nil || at == nil {
		return nil
	}
	return &control.Shedding{Level: at.Level, Percent: at.Percent, Because: because, Began: e.Began, Turned: e.Turned}
}

func (s *service) sheddingShown() *control.Shedding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shed.shown
}

// pastSheddings tells of the times in which requests were turned away as the history does.
func (s *service) pastSheddings() []deploy.Rollout {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []deploy.Rollout
	for _, e := range s.shed.past {
		r := deploy.Rollout{Service: s.name, Kind: deploy.KindShedding, Phase: deploy.TurningAway, Who: "segue", Began: e.Began, Ended: e.Ended,
			Why: fmt.Sprintf("up to %s (%s); %d requests turned away", e.Level, e.Because, e.Turned)}
		if !e.Ended.IsZero() {
			r.Phase = deploy.LetIn
		}
		out = append(out, r)
	}
	return out
}

func proxyShedding(s *deploy.Shedding) *proxy.Shedding {
	if s == nil {
		return nil
	}
	out := &proxy.Shedding{InFlight: s.InFlight, P95: s.P95, Errors: s.Errors}
	for _, r := range s.Routes {
		out.Routes = append(out.Routes, proxy.Ranked(r))
	}
	return out
}
