package agent

import (
	"context"
	"time"

	"github.com/seguehq/segue/featureflag"
)

// shedFlags is what is known of the flags that were turned down; guarded by
// service.mu. The zero value knows nothing: the store is then told how it is, since
// an agent that died may have left it otherwise.
type shedFlags struct {
	known  bool
	store  string // in which: a secret
	level  int    // up to this of levels; -1 none are
	failed string
}

// word is the level for people, "" when no flags are down.
func (f *shedFlags) word() string {
	if !f.known || f.level < 0 {
		return ""
	}
	return levels[f.level]
}

// shedFlagsWithin bounds the wait for a store that does not answer: it is tried
// again at the next look.
const shedFlagsWithin = 5 * time.Second

// shedFlags has flags up to a level turned down, -1 none, where the service has any.
func (s *service) shedFlags(ctx context.Context, level int, because string) {
	c, where := s.flagControl("shedding"), s.followedStore()
	s.mu.Lock()
	was := s.shed.flags
	s.mu.Unlock()
	if c == nil || was.known && was.store == where && was.level == level {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, shedFlagsWithin)
	defer cancel()
	now := shedFlags{known: true, store: where, level: level}
	if err := writeShed(ctx, c, level, because); err != nil {
		now = was
		if now.failed = err.Error(); now.failed != was.failed {
			s.log.Warn("the service's flags could not be turned down or up; it is tried again", "error", err)
		}
	} else if now.word() != was.word() {
		s.log.Info("flags are turned down", "level", now.word())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shed.flags = now
}

func writeShed(ctx context.Context, c *featureflag.Control, level int, because string) error {
	if level < 0 {
		return c.Shed(ctx, nil, "")
	}
	up, err := featureflag.ParseImportance(levels[level])
	if err != nil {
		return err
	}
	return c.Shed(ctx, &up, because)
}
