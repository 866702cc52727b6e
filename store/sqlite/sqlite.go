// Package sqlite is a store in one file, shared by the processes of one machine:
// nothing to install, nothing to run.
//
// Besides what every store promises:
//
//   - No caller sees that the file is busy. Writers queue, within a process and
//     between processes, and each gets its turn; readers wait for nobody.
//   - A process that is killed, at whatever instant, loses no write that was
//     answered, leaves nothing half done and blocks nobody.
//   - A power cut loses writes of about the last second, and damages nothing:
//     the file is then as it was a little earlier. Who held a lock by it has died
//     of the same cut. Revisions do not go back with it, as a bound on them is
//     synced to the disk before they reach it.
//   - A file that is removed or replaced while it is in use is noticed within a
//     second or so, and refused from then on.
//   - Time is that of the machine since it was started (CLOCK_BOOTTIME), so that
//     setting the clock makes nothing expire early or late. Across a restart of
//     the machine the clock on the wall has to do.
//
// What it cannot do: work on a network file system, whose locks and shared memory
// do not span machines. And a process that is suspended (SIGSTOP) within the few
// microseconds in which it writes makes all other writers wait until it goes on or
// is killed.
//
// These are promises on Linux. Elsewhere it works, with the clock on the wall,
// watchers that poll, and writers that SQLite itself makes wait, out of turn.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/internal/hub"
)

// maxReaders is how many goroutines of a process read at the same moment.
const maxReaders = 4

// A Store is a store.Store in a file. It must not be copied.
type Store struct {
	file     *file
	writer   *writer
	readers  *sql.DB
	get      *sql.Stmt
	list     *sql.Stmt
	hub      hub.Hub
	follower follower
	closing  context.Context // done when Close is called
	close    func() error    // what Close does, once
	tasks    sync.WaitGroup  // all goroutines but the writer's
}

// Open opens the file at path, which need not exist; its folder must. The file is
// made for this user alone (0600), and has three neighbours: -wal and -shm, which
// belong to it and must never be removed from it, and -queue, in which writers
// queue.
func Open(ctx context.Context, path string) (*Store, error) {
	f, err := openFile(ctx, path)
	if err != nil {
		return nil, err
	}
	s := &Store{file: f}
	closing, stop := context.WithCancel(context.Background())
	s.closing, s.close = closing, sync.OnceValue(func() error { stop(); return s.leave() })
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(f.explain("open", err), s.Close())
	}
	return s, nil
}

func (s *Store) start(ctx context.Context) error {
	var err error
	if s.writer, err = startWriter(ctx, s.file, &s.hub); err != nil {
		return err
	}
	if s.readers, err = s.file.connect("&_pragma=query_only(1)"); err != nil {
		return err
	}
	s.readers.SetMaxOpenConns(maxReaders)
	s.readers.SetMaxIdleConns(maxReaders)
	if err := s.prepare(ctx); err != nil {
		return err
	}
	s.tasks.Go(s.maintain)
	return nil
}

func (s *Store) prepare(ctx context.Context) error {
	for stmt, query := range map[**sql.Stmt]string{
		&s.get:             `SELECT value, revision, expires FROM entries WHERE key = ?`,
		&s.list:            `SELECT key, value, revision, expires FROM entries WHERE key >= ? AND key < ? ORDER BY key`,
		&s.follower.rows:   `SELECT revision, origin, keys FROM changes WHERE revision > ? ORDER BY revision`,
		&s.follower.oldest: `SELECT min(revision) FROM changes`,
		&s.follower.newest: `SELECT max(revision) FROM changes`,
	} {
		err := patiently(ctx, func() (err error) { *stmt, err = s.readers.PrepareContext(ctx, query); return err })
		if err != nil {
			return err
		}
	}
	return nil
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := store.CheckKey(key); err != nil {
		return store.Entry{}, err
	}
	if err := s.usable(ctx); err != nil {
		return store.Entry{}, s.failed("get", err)
	}
	now := s.file.clock.now()
	e := store.Entry{Key: key}
	var expires int64
	// Reading waits for nobody, so the context is not passed to SQLite: that would
	// cost a goroutine for each call.
	err := patiently(ctx, func() error { return s.get.QueryRow(key).Scan(&e.Value, &e.Revision, &expires) })
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && expired(expires, now):
		return store.Entry{}, store.ErrNotFound
	case err != nil:
		return store.Entry{}, s.failed(fmt.Sprintf("get %q", key), err)
	}
	e.Expires = s.file.clock.wall(expires)
	return e, nil
}

// expired tells of a column of that name, in which 0 is never.
func expired(expires, now int64) bool { return expires != 0 && expires <= now }

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, w store.Write) (store.Revision, error) {
	if err := w.Check(); err != nil {
		return 0, err
	}
	if w.Value == nil {
		w.Value = []byte{} // NULL is something else
	}
	var got store.Revision
	err := s.writer.do(ctx, func(tx *tx) (err error) {
		got, err = tx.put(w)
		return err
	})
	switch {
	case err != nil:
		return 0, s.failed(fmt.Sprintf("put %q", w.Key), err)
	case got == 0:
		return 0, store.ErrConflict
	}
	return got, nil
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, key string, expect store.Revision) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	var gone bool
	err := s.writer.do(ctx, func(tx *tx) (err error) {
		gone, err = tx.delete(key, expect)
		return err
	})
	switch {
	case err != nil:
		return s.failed(fmt.Sprintf("delete %q", key), err)
	case !gone && expect != store.Any:
		return store.ErrConflict
	}
	return nil
}

// usable reports why nothing can be asked.
func (s *Store) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closing.Err() != nil {
		return store.ErrClosed
	}
	return s.file.here()
}

// failed is the error of an operation.
func (s *Store) failed(what string, err error) error {
	if s.closing.Err() != nil {
		return store.ErrClosed
	}
	return s.file.explain(what, err)
}

// Close implements store.Store.
func (s *Store) Close() error { return s.close() }

func (s *Store) leave() error {
	s.hub.Close()
	s.follower.end()
	s.tasks.Wait()
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close()) // and the queue
	} else {
		errs = append(errs, s.file.queue.close())
	}
	return errors.Join(errs...)
}

// maintain removes what has expired, syncs what was written, and sees that the
// file is there, once in a while.
func (s *Store) maintain() {
	const pause = time.Second
	t := time.NewTicker(pause)
	defer t.Stop()
	for {
		select {
		case <-s.closing.Done():
			return
		case <-t.C:
		}
		s.file.look()
		s.sweep()
		if s.writer.written.Swap(false) {
			_ = s.file.sync() // if the disk fails, writing says so
		}
	}
}
