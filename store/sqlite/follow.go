package sqlite

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/store"
)

const (
	// lookAnyway is how often changes are looked for unasked: a process may be
	// killed between its commit and its waking of others.
	lookAnyway = 500 * time.Millisecond
	// lookWithout is the same where nothing can wake us.
	lookWithout = 20 * time.Millisecond
)

// A follower reads what other processes, and other Stores of this one, have
// changed, for as long as somebody watches.
type follower struct {
	mu      sync.Mutex
	started bool
	ended   bool      // no task may be added to the Store's any more
	rows    *sql.Stmt // after a revision
	oldest  *sql.Stmt
	newest  *sql.Stmt
	at      int64 // the last revision that was read
	watched int   // watchers
}

// Watch implements store.Store.
func (s *Store) Watch(ctx context.Context, prefix string) (store.Watcher, error) {
	if err := s.usable(ctx); err != nil {
		return nil, s.failed("watch", err)
	}
	if err := s.follow(ctx); err != nil {
		return nil, s.failed("watch", err)
	}
	w, err := s.hub.Watch(prefix, s.unfollow)
	if err != nil {
		s.unfollow()
		return nil, err
	}
	return w, nil
}

// follow has changes read from now on.
func (s *Store) follow(ctx context.Context) error {
	f := &s.follower
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return store.ErrClosed
	}
	if f.watched == 0 {
		if err := patiently(ctx, func() error { return f.newest.QueryRow().Scan(&f.at) }); err != nil {
			return err
		}
	}
	if !f.started {
		f.started = true
		s.tasks.Go(s.lookOut)
	}
	f.watched++
	return nil
}

func (f *follower) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
}

func (s *Store) unfollow() {
	s.follower.mu.Lock()
	defer s.follower.mu.Unlock()
	s.follower.watched--
}

// lookOut reads changes each time there may be some.
func (s *Store) lookOut() {
	woken, pause := s.file.queue.woken(s.closing, &s.tasks), lookAnyway
	if woken == nil {
		pause = lookWithout
	}
	t := time.NewTicker(pause)
	defer t.Stop()
	for {
		s.look()
		select {
		case <-s.closing.Done():
			return
		case <-woken:
		case <-t.C:
		}
	}
}

// look passes on what has changed since the last time.
func (s *Store) look() {
	f := &s.follower
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watched == 0 {
		return
	}
	if err := patiently(s.closing, func() error { return s.pass(f) }); err != nil && s.closing.Err() == nil {
		s.hub.Missed() // whoever looks then gets the error
	}
}

// pass reads the rows first: if the one it has come to is there still, none
// that came after it can have been removed.
func (s *Store) pass(f *follower) error {
	before := f.at
	if err := s.passRows(f); err != nil {
		return err
	}
	var oldest int64
	if err := f.oldest.QueryRow().Scan(&oldest); err != nil {
		return err
	}
	if oldest > before {
		s.hub.Missed()
	}
	return nil
}

func (s *Store) passRows(f *follower) error {
	rows, err := f.rows.Query(f.at)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var origin int64
		var keys string
		if err := rows.Scan(&f.at, &origin, &keys); err != nil {
			return err
		}
		if origin == s.writer.origin || keys == "" {
			continue
		}
		for key := range strings.SplitSeq(keys, "\x00") {
			s.hub.Changed(key)
		}
	}
	return rows.Err()
}
