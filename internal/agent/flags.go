package agent

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/proxy"
	"github.com/seguehq/segue/store"
	stores "github.com/seguehq/segue/store/open"
)

// The flagger of a service is the goroutine that follows the feature flags in the
// service's store, where anybody changes them (`segue flag`, the service itself):
// it gives the proxy what is in force, and moves ramps (ramp.go). The store may be
// away, the agent may be: what was in force stays so, since the proxy has it and a
// file of ours.

// flagging is what a service's flagger knows.
type flagging struct {
	bell chan struct{} // has one when it is to look where the flags are
	kept sync.Once     // of reading what an agent before us has known

	mu      sync.Mutex
	inForce json.RawMessage    // flagd's JSON, as the proxy is given it; nil: never known
	flags   []featureflag.Flag // what it was made of; nil: not read yet
	store   store.Store        // open; nil: not
	url     string             // of the store that is followed; a secret; "": none is
	failed  string             // why it cannot be, as it was last told
}

// ringFlagger has the flagger look where the flags are. It never waits.
func (s *service) ringFlagger() {
	select {
	case s.flags.bell <- struct{}{}:
	default:
	}
}

func (s *service) flagsFile() string {
	return filepath.Join(s.a.o.State, "flags", s.name+".json")
}

// flagsInForce is what the proxy is to evaluate; nil: nothing is known of flags.
func (s *service) flagsInForce() json.RawMessage {
	f := &s.flags
	f.kept.Do(func() {
		var known json.RawMessage
		if err := readJSON(s.flagsFile(), &known); err != nil {
			s.log.Warn("read what flags were in force", "error", err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.inForce == nil {
			f.inForce = known
		}
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inForce
}

// flagControl changes flags in the store that is followed, in the name of by, or is nil
// while none is. It may be too late: then its calls fail.
func (s *service) flagControl(by string) *featureflag.Control {
	s.flags.mu.Lock()
	defer s.flags.mu.Unlock()
	if s.flags.store == nil {
		return nil
	}
	return featureflag.NewControl(s.flags.store, by)
}

// noFlags is what is evaluated where nothing is known yet.
var noFlags = json.RawMessage(`{"flags":{}}`)

// flagRoutes is the part of the table that evaluates the service's flags for
// programs.
func (s *service) flagRoutes() (proxy.Service, bool) {
	p := proxy.Service{Name: s.name + " (flags)", OFREP: true, Routes: []proxy.Route{{Path: "/" + s.name}}}
	for _, spec := range s.playing() {
		if spec.OFREP != "" && !slices.Contains(p.Listen, spec.OFREP) {
			p.Listen = append(p.Listen, spec.OFREP)
		}
	}
	if len(p.Listen) == 0 {
		return p, false
	}
	if p.Flags = s.flagsInForce(); p.Flags == nil {
		p.Flags = noFlags
	}
	return p, true
}

// storeURL is where a release's instances have their store; a secret.
func (s *service) storeURL(release int) (string, error) {
	env, err := s.a.readEnv(s.name, release)
	if err != nil {
		return "", err
	}
	spec := s.spec(release)
	return cmp.Or(env["SEGUE_STORE"], s.a.storeFile(spec)), nil
}

// storeFile is the URL of the file that instances share which are not told of another store.
func (a *Agent) storeFile(spec deploy.Service) string {
	file := url.URL{Scheme: "sqlite", Path: filepath.Join(a.o.State, "stores", spec.StoreName()+".db")}
	return file.String()
}

// Where there is nothing to follow, and the bell does not ring, the flagger looks
// again after lookForFlags. A store that cannot be had is tried again.
const (
	lookForFlags    = 5 * time.Second
	firstStoreRetry = 200 * time.Millisecond
	lastStoreRetry  = 10 * time.Second
)

// flagger follows the service's flags until ctx ends.
func (s *service) flagger(ctx context.Context) {
	pause, look := firstStoreRetry, &flagSearch{}
	for ctx.Err() == nil {
		where := s.followed(ctx, look)
		if where == "" {
			s.pauseFlagger(ctx, lookForFlags)
			continue
		}
		if err := s.follow(ctx, where); err != nil && ctx.Err() == nil {
			s.flagTrouble(err)
			s.pauseFlagger(ctx, pause)
			pause = min(2*pause, lastStoreRetry)
			continue
		}
		pause = firstStoreRetry
	}
}

func (s *service) pauseFlagger(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-s.flags.bell:
	case <-t.C:
	}
}

// flagTrouble tells once why flags are not followed. Errors of stores have no
// secrets in them.
func (s *service) flagTrouble(err error) {
	f := &s.flags
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed != err.Error() {
		s.log.Warn("the store with the service's flags cannot be read; those of before stay in force, and it is tried again", "error", err)
	}
	f.failed = err.Error()
}

// followed is the store with flags that the service uses now; "" for none.
func (s *service) followed(ctx context.Context, look *flagSearch) string {
	release := s.aim()
	spec := s.release(release)
	if spec == nil {
		return ""
	}
	where, err := s.storeURL(release)
	if err != nil {
		s.flagTrouble(err)
		return ""
	}
	if spec.Spec.Flags == "" && spec.Spec.OFREP == "" && s.flagsInForce() == nil && !look.finds(ctx, where) {
		return ""
	}
	return where
}

// A flagSearch looks for flags in a file that may not have any.
type flagSearch struct{ seen [2]time.Time }

// finds reports whether the file of a store has flags. It is opened only if
// somebody has written to it since the last look.
func (l *flagSearch) finds(ctx context.Context, where string) bool {
	u, err := url.Parse(where)
	if err != nil || u.Scheme != "sqlite" {
		return false
	}
	now := [2]time.Time{changed(u.Path), changed(u.Path + "-wal")}
	if now[0].IsZero() || now == l.seen {
		return false
	}
	s, err := stores.Store(ctx, where)
	if err != nil {
		return false
	}
	defer func() {
		_ = s.Close()
		l.seen = [2]time.Time{changed(u.Path), changed(u.Path + "-wal")}
	}()
	flags, _, err := featureflag.NewControl(s, "").List(ctx)
	return err == nil && len(flags) > 0
}

// changed is when a file was last written to; zero: there is none.
func changed(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// follow follows the flags of a store until ctx ends or the service has another.
func (s *service) follow(ctx context.Context, where string) error {
	st, err := stores.Store(ctx, where)
	if err != nil {
		return err
	}
	defer st.Close()
	running, stop := context.WithCancel(ctx)
	flags := featureflag.New(st, featureflag.Log(s.log))
	changed := flags.Changed()
	var run sync.WaitGroup
	run.Go(func() { _ = flags.Run(running) }) // nil, when it is told to stop
	defer run.Wait()
	defer stop()
	s.flags.followStore(st, where)
	defer s.flags.followStore(nil, "")

	m := newMover(s, featureflag.NewControl(st, "ramp"))
	ticks := time.NewTicker(rampLook)
	defer ticks.Stop()
	ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.flags.bell:
			if now, err := s.storeURL(s.aim()); err == nil && now != where {
				return nil
			}
		case <-changed:
			changed = flags.Changed()
			s.takeFlags(ctx, flags)
			if m.take(s.knownFlags()) {
				ticks.Reset(rampLook)
			} else {
				ticks.Stop()
			}
		case <-ticks.C:
			m.step(ctx, time.Now())
		}
	}
}

func (f *flagging) followStore(st store.Store, where string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.store, f.url = st, where
	if st != nil {
		f.failed = ""
	}
}

// followedStore is the URL of the store that is followed; a secret.
func (s *service) followedStore() string {
	s.flags.mu.Lock()
	defer s.flags.mu.Unlock()
	return s.flags.url
}

func (s *service) knownFlags() []featureflag.Flag {
	s.flags.mu.Lock()
	defer s.flags.mu.Unlock()
	return s.flags.flags
}

// takeFlags gives the proxy what is in force now, and keeps it for the next agent.
func (s *service) takeFlags(ctx context.Context, flags *featureflag.Flags) {
	all, _ := flags.All()
	now, f := json.RawMessage(flags.Set().JSON()), &s.flags
	before := s.flagsInForce()
	f.mu.Lock()
	f.flags, f.inForce = all, now
	f.mu.Unlock()
	if bytes.Equal(before, now) {
		return
	}
	if s.a.proxy.now() != nil {
		if err := s.a.proxy.apply(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, errIdle) {
			s.log.Warn("tell the proxy what flags are in force", "error", err)
		}
	}
	if err := writeJSON(s.flagsFile(), now); err != nil {
		s.log.Warn("keep what flags are in force", "error", err)
	}
}

// A broughtFile is the file of flags that came with a service's last deploy.
type broughtFile struct {
	Name        string          `json:"name"`
	Release     int             `json:"release"`
	Who         string          `json:"who"`
	Definitions json.RawMessage `json:"definitions"`
	Done        bool            `json:"done"` // it is in the store
}

func (s *service) broughtFile() string {
	return filepath.Join(s.a.o.State, "flags", s.name+".file.json")
}

// keepFlagsFile writes down what a deploy is to bring in.
func (s *service) keepFlagsFile(release int, name, who string, definitions json.RawMessage) error {
	if len(definitions) == 0 {
		if err := os.Remove(s.broughtFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	return writeJSON(s.broughtFile(), broughtFile{Name: name, Release: release, Who: who, Definitions: definitions})
}

// bringFlags puts the flags that a deploy of a release has come with into the
// service's store, if that was not done, and returns the keys of those that changed.
// It is done before the first instance of the release is started, which may ask for
// them; a rollback leaves them: what is in force then is a person's to say, and a
// flag that nobody asks for does no harm.
func (s *service) bringFlags(ctx context.Context, release int) ([]string, error) {
	var f broughtFile
	if err := readJSON(s.broughtFile(), &f); err != nil || f.Release != release || f.Done {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, bringPatience, fmt.Errorf("the service's store does not answer within %s", bringPatience))
	defer cancel()
	keys, err := s.applyFlags(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("bring the flags of %s into the service's store: %w", f.Name, cmp.Or(context.Cause(ctx), err))
	}
	s.log.Info("flags brought in", "file", f.Name, "release", release, "changed", keys)
	s.ringFlagger()
	f.Done = true
	return keys, writeJSON(s.broughtFile(), f)
}

// bringPatience is how long a deploy waits for a store.
const bringPatience = 30 * time.Second

func (s *service) applyFlags(ctx context.Context, f broughtFile) ([]string, error) {
	d, err := featureflag.Parse(f.Definitions)
	if err != nil {
		return nil, err
	}
	where, err := s.storeURL(f.Release)
	if err != nil {
		return nil, err
	}
	st, err := stores.Store(ctx, where)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	return featureflag.NewControl(st, "file").Apply(ctx, d, fmt.Sprintf("%s of release %d, deployed by %s", f.Name, f.Release, f.Who))
}
