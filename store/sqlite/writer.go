package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/internal/hub"
)

const (
	// maxBatch is how many writes may be in one transaction.
	maxBatch = 256
	// keepChanges is how many revisions a follower may be behind.
	keepChanges = 1 << 14
	// ceilingStep is by how much the bound on revisions is raised at once. It is
	// raised when half of it is used up: nobody reaches the old one while the new
	// one is on its way to the disk.
	ceilingStep = 1 << 20
)

// A writer does a Store's writing. Who is asked while the file is free does it at
// once, in the caller's goroutine; else the writer's own waits for the turn among
// the processes, and does all that is asked of it by then in one transaction.
type writer struct {
	file    *file
	hub     *hub.Hub
	origin  int64 // names this Store's changes, of which its own followers know
	db      *sql.DB
	written atomic.Bool // something was, since somebody has looked
	run     context.Context
	stop    context.CancelFunc
	gone    chan error    // holds one when the goroutine has ended
	wake    chan struct{} // holds one when asked may have something
	seat    chan struct{} // holds one while nobody uses what is below, or the queue
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt

	mu     sync.Mutex
	asked  []*request
	closed bool
}

// A request is a function to be run in a transaction.
type request struct {
	do   func(*tx) error
	done chan error // holds one
}

func startWriter(ctx context.Context, f *file, h *hub.Hub) (*writer, error) {
	w := &writer{file: f, hub: h, origin: rand.Int64(), stmts: map[string]*sql.Stmt{},
		gone: make(chan error, 1), wake: make(chan struct{}, 1), seat: make(chan struct{}, 1)}
	w.seat <- struct{}{}
	w.run, w.stop = context.WithCancel(context.Background())
	var err error
	if w.db, err = f.connect(""); err != nil {
		return nil, err
	}
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return nil, errors.Join(err, w.db.Close())
	}
	go w.loop()
	return w, nil
}

// do has a function run in a transaction, with those of other callers: what it
// returns ends all of them, so it returns SQLite's errors alone. It may be run
// again after such an error, when all that it did is undone. Called off before it
// has begun, it does not run; afterwards it is waited for, which is short.
func (w *writer) do(ctx context.Context, do func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.file.here(); err != nil {
		return err
	}
	r := &request{do, make(chan error, 1)}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return store.ErrClosed
	}
	w.asked = append(w.asked, r)
	w.mu.Unlock()
	if !w.atOnce() {
		w.rouse()
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		if w.withdraw(r) {
			return ctx.Err()
		}
		return <-r.done
	}
}

// atOnce does what is asked if that needs no waiting.
func (w *writer) atOnce() bool {
	select {
	case <-w.seat:
	default:
		return false
	}
	if w.file.queue.tryLock() {
		w.batch(w.begin) // busy, we leave it to the goroutine
		w.file.queue.unlock()
	}
	w.seat <- struct{}{}
	return w.idle() // who has asked meanwhile has found no seat
}

func (w *writer) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *writer) withdraw(r *request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.asked, r)
	if i < 0 {
		return false
	}
	w.asked = slices.Delete(w.asked, i, i+1)
	return true
}

// take returns what is asked, and begins with it.
func (w *writer) take() []*request {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.asked), maxBatch)
	batch := slices.Clone(w.asked[:n])
	w.asked = slices.Delete(w.asked, 0, n)
	return batch
}

func (w *writer) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asked) == 0
}

func (w *writer) loop() {
	defer w.leave()
	for {
		select {
		case <-w.run.Done():
			return
		case <-w.wake:
		}
		for w.run.Err() == nil && !w.idle() {
			w.turn()
		}
	}
}

// turn waits for the file and does what is asked by then. Who has the turn keeps
// it while another program is at the file; who has none looks for one each time.
func (w *writer) turn() {
	<-w.seat
	defer func() { w.seat <- struct{}{} }()
	for done := false; !done && w.run.Err() == nil; {
		if w.file.queue.lock() {
			done = w.batch(func() error { return patiently(w.run, w.begin) })
			w.file.queue.unlock()
		} else {
			done = w.batch(w.begin)
		}
	}
}

// batch does what is asked by the time that the transaction has begun. It gives
// false if that is not to be had, because another is at the file.
func (w *writer) batch(beginning func() error) bool {
	err := beginning()
	if busy(err) {
		return false
	}
	w.serve(err)
	return true
}

// serve does what is asked in the transaction that has begun, or says what came of
// beginning it.
func (w *writer) serve(err error) {
	batch := w.take()
	if err == nil {
		err = w.transaction(batch)
	}
	if err == nil || len(batch) < 2 {
		answer(batch, err)
		return
	}
	for _, r := range batch { // whose fault is it?
		if err = patiently(w.run, w.begin); err == nil {
			err = w.transaction([]*request{r})
		}
		r.done <- err
	}
}

func answer(batch []*request, err error) {
	for _, r := range batch {
		r.done <- err
	}
}

func (w *writer) begin() error {
	_, err := w.exec("BEGIN IMMEDIATE")
	return err
}

// transaction runs the functions of a batch in the transaction that has begun,
// ends it, and tells of what they have changed.
func (w *writer) transaction(batch []*request) error {
	tx := &tx{writer: w, now: w.file.clock.now()}
	err := tx.run(batch)
	if err == nil && tx.wrote {
		_, err = w.exec("COMMIT")
	}
	if err != nil || !tx.wrote {
		_, _ = w.exec("ROLLBACK") // SQLite may have done it
		return err
	}
	w.written.Store(true)
	if tx.raised {
		err = w.file.sync()
	}
	if len(tx.keys) > 0 {
		w.file.queue.wake()
	}
	for _, key := range tx.keys {
		w.hub.Changed(key)
	}
	return err
}

// exec runs a statement, prepared once, and returns how many rows it has changed.
func (w *writer) exec(query string, args ...any) (int64, error) {
	stmt, err := w.stmt(query)
	if err != nil {
		return 0, err
	}
	r, err := stmt.Exec(args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (w *writer) stmt(query string) (*sql.Stmt, error) {
	if stmt := w.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(context.Background(), query)
	if err == nil {
		w.stmts[query] = stmt
	}
	return stmt, err
}

// close ends the goroutine. Who waits for a write is told that the store is
// closed.
func (w *writer) close() error {
	w.mu.Lock()
	w.closed = true
	asked := w.asked
	w.asked = nil
	w.mu.Unlock()
	w.stop()
	for _, r := range asked {
		r.done <- store.ErrClosed
	}
	return <-w.gone
}

// leave lets go of everything, once nobody uses it.
func (w *writer) leave() {
	<-w.seat // for good
	var errs []error
	for _, stmt := range w.stmts {
		errs = append(errs, stmt.Close())
	}
	w.gone <- errors.Join(append(errs, w.conn.Close(), w.db.Close(), w.file.queue.close())...)
}
