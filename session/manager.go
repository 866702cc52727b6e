package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/seguehq/segue/store"
)

var (
	// ErrUnavailable: the store did not answer in time. The session is neither
	// lost nor ended.
	ErrUnavailable = errors.New("session: the store does not answer")
	// ErrNewer: the session was written by a newer release, in a format that this
	// one cannot read. It is left as it is.
	ErrNewer = errors.New("session: it was written by a newer release")
	// ErrUnreadable: a value is not what this release takes it for. It is left as
	// it is.
	ErrUnreadable = errors.New("session: a value that this release cannot read")
	// ErrTooLarge: the session is larger than Manager.MaxSize. What was in the
	// store before is left as it is.
	ErrTooLarge = errors.New("session: too large")
	// ErrWritten: a token was to be renewed when the response had begun, so that
	// the client could not be told.
	ErrWritten = errors.New("session: the response has begun, no cookie can be set")

	// errGone: the session has ended, by its time or because it was destroyed.
	errGone = errors.New("session: it has ended")
)

// A Manager keeps the sessions of a service. Its settings are those of New until
// they are changed, which is done before the first request; its methods may be
// called concurrently. They panic if the context has no session of this manager.
type Manager struct {
	// Lifetime is how long a session lives at most, however busy it is, counted
	// from when it was made or its token was renewed. 24 hours by default; so does
	// what is not above zero.
	Lifetime time.Duration
	// IdleTimeout is how long a session lives unused. It may live a tenth longer,
	// at most a minute: a request that changes nothing is written down only so
	// often. Zero, the default: as long as Lifetime.
	IdleTimeout time.Duration
	// Grace is how long the requests that were under way with a token may go on
	// when another has renewed it; see RenewToken. 30 seconds by default. Below
	// zero: a token that was renewed is dead at once, and what requests that were
	// under way with it have changed is lost.
	Grace time.Duration
	// Timeout is how long a request waits for the store, which may be restarting,
	// before it fails with ErrUnavailable. 3 seconds by default.
	Timeout time.Duration
	// MaxSize is how many bytes a session may have, encoded. 256 KiB by default,
	// and store.MaxValue at most.
	MaxSize int
	// Cookie says how the token travels.
	Cookie Cookie
	// ErrorFunc answers a request whose session could not be read or saved. By
	// default the error is logged and the client gets 503 with Retry-After for
	// ErrUnavailable and ErrNewer, 500 for anything else. What the handler has
	// written, or goes on to write, is not sent.
	ErrorFunc func(http.ResponseWriter, *http.Request, error)
	// Logger is told of errors, never of tokens or values. nil: slog.Default().
	Logger *slog.Logger

	store store.Store
}

// New returns a manager that keeps its sessions in s, which it does not close.
func New(s store.Store) *Manager {
	return &Manager{
		Lifetime: 24 * time.Hour,
		Grace:    30 * time.Second,
		Timeout:  3 * time.Second,
		MaxSize:  256 << 10,
		Cookie: Cookie{
			Name:     "session",
			Path:     "/",
			HttpOnly: true,
			Secure:   true,
			SameSite: http.SameSiteLaxMode,
			Persist:  true,
		},
		store: s,
	}
}

func (m *Manager) lifetime() time.Duration {
	if m.Lifetime <= 0 {
		return 24 * time.Hour
	}
	return m.Lifetime
}

func (m *Manager) log() *slog.Logger { return cmp.Or(m.Logger, slog.Default()) }

// Load reads the session of a token, and returns a context that has it. A token
// that there is no session of makes a new one, with a token of its own. If ctx
// has a session already, that one stays.
//
// LoadAndSave calls it; others need it for what is not an HTTP request.
func (m *Manager) Load(ctx context.Context, token string) (context.Context, error) {
	if _, ok := ctx.Value(contextKey{m}).(*state); ok {
		return ctx, nil
	}
	s, err := m.find(ctx, token)
	if err != nil {
		return nil, err
	}
	return context.WithValue(ctx, contextKey{m}, s), nil
}

func (m *Manager) find(ctx context.Context, token string) (*state, error) {
	if !isToken(token) {
		return m.newState(), nil
	}
	e, err := m.get(ctx, m.keyOf(token))
	switch {
	case errors.Is(err, errGone):
		return m.newState(), nil
	case err != nil:
		return nil, err
	}
	s := &state{entry: e, token: token}
	if e.record.moved() != "" {
		if m.Grace < 0 {
			return m.newState(), nil
		}
		s.before = maps.Clone(e.record)
		delete(s.record, movedName)
	}
	return s, nil
}

// get reads a session that has not ended.
func (m *Manager) get(ctx context.Context, key string) (entry, error) {
	var e store.Entry
	err := m.patiently(ctx, "read", func(ctx context.Context) (err error) {
		e, err = m.store.Get(ctx, key)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return entry{}, errGone
	case err != nil:
		return entry{}, err
	}
	return open(e)
}

func open(e store.Entry) (entry, error) {
	r, err := decode(e.Value)
	if err != nil {
		return entry{}, err
	}
	if !time.Now().Before(r.deadline()) {
		return entry{}, errGone
	}
	return entry{e.Key, e.Revision, r}, nil
}

// Iterate calls fn for every session there is, with a context that has it, until
// fn returns an error, which it returns. What fn changes is saved if it calls
// Commit; Destroy ends the session. The sessions have no token: the store does
// not know them. Those that cannot be read are passed over, and told of at the
// end.
func (m *Manager) Iterate(ctx context.Context, fn func(context.Context) error) error {
	var unread error
	for e, err := range m.store.List(ctx, m.prefix()) {
		if err != nil {
			return fmt.Errorf("%w: list: %w", ErrUnavailable, err)
		}
		found, err := open(e)
		switch {
		case errors.Is(err, errGone) || found.record.moved() != "":
		case err != nil:
			unread = cmp.Or(unread, err)
		default:
			err = fn(context.WithValue(ctx, contextKey{m}, &state{entry: found}))
			if err != nil {
				return err
			}
		}
	}
	return unread
}

// patiently does one thing with the store, again if it fails: a store that
// restarts is soon back. What is done must be such that doing it twice does no
// harm.
func (m *Manager) patiently(ctx context.Context, what string, try func(context.Context) error) error {
	timeout := m.Timeout
	if timeout <= 0 {
		timeout = 3 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last error
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		err := try(ctx)
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
			return err
		}
		if last == nil || ctx.Err() == nil {
			last = err // rather than that the time is over
		}
		if errors.Is(err, store.ErrClosed) || !pause(ctx, wait) {
			return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, last)
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
