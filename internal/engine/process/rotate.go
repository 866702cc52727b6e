package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/internal/deploy"
)

// A Rotator bounds what logs take on disk, while the instances that write them
// go on appending and know nothing of it. What has been archived is cut out of
// the head of the live file:
//
//   - where the file system can collapse a range (ext4, xfs), the file shrinks;
//   - where it can only punch holes (btrfs, tmpfs), the space is given back, and
//     the file's apparent size goes on growing;
//   - elsewhere the log is left alone, and Warn is told once.
//
// Archives and live file, one after the other, are at every instant exactly
// what was written: a rotator that is killed loses no byte and doubles none,
// for readers that go through Tail and Follow. Cuts are at the file system's
// blocks, so that a line may begin in one file and end in the next. The zero
// value is ready; it may be used concurrently.
type Rotator struct {
	Every time.Duration                // between looks; 0 means 2 s
	Warn  func(path string, err error) // nil: nobody is told

	mu     sync.Mutex
	able   map[uint64]ability // by device
	warned map[string]bool

	force ability                 // tests: pretend
	step  func(done string) error // tests: die here
}

const tmpSuffix = ".tmp"

// Run looks after the logs that list names, until ctx ends. A log that isn't
// there yet, or any more, is passed over.
func (r *Rotator) Run(ctx context.Context, list func() map[string]deploy.Logs) {
	every := r.Every
	if every <= 0 {
		every = 2 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		for path, l := range list() {
			err := r.Rotate(ctx, path, l)
			if err != nil && ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist) {
				r.warn(path, err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// warn tells of a log once, until it has been rotated again.
func (r *Rotator) warn(path string, err error) {
	r.mu.Lock()
	told := r.warned[path]
	if r.warned == nil {
		r.warned = make(map[string]bool)
	}
	r.warned[path] = true
	r.mu.Unlock()
	if !told && r.Warn != nil {
		r.Warn(path, err)
	}
}

// Rotate archives what the live file holds beyond l.MaxSize bytes, in archives
// of about that size, and then keeps the newest l.Keep of them. A MaxSize of 0
// means no limit. Errors leave the log whole and readable.
func (r *Rotator) Rotate(ctx context.Context, path string, l deploy.Logs) error {
	if st, err := os.Stat(path); err != nil || l.MaxSize <= 0 || st.Size() <= l.MaxSize {
		return err
	}
	if err := r.rotate(ctx, path, l); err != nil {
		return fmt.Errorf("rotate %s: %w", path, err)
	}
	r.mu.Lock()
	delete(r.warned, path)
	r.mu.Unlock()
	return nil
}

func (r *Rotator) rotate(ctx context.Context, path string, l deploy.Logs) error {
	live, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer live.Close() // and unlock
	able, block, err := r.ability(path, live)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := lockWait(ctx, live, unix.LOCK_EX); err != nil {
		return fmt.Errorf("it is busy: %w", err)
	}
	c := cutter{r, l, path, live, able, block}
	if err := c.recover(); err != nil {
		return err
	}
	for range 1000 { // a bound only: the writer may be as fast as we are
		if more, err := c.cut(); err != nil || !more {
			return err
		}
	}
	return nil
}

// A cutter moves bytes from a log's live file, which it has locked, to
// archives. Each step leaves a state that tells by itself how far it came:
//
//  1. the bytes are copied and synced     x.tmp
//  2. it is renamed                       x.END.cut-RAW, no hole in the live file
//  3. they are punched out                x.END.cut-RAW, a hole up to RAW
//  4. it is renamed                       x.END, a hole
//  5. the hole is collapsed               x.END, no hole
//
// Up to 2 the live file has the bytes and readers pass the archive over; from 3
// on the archive has them. The hole is what tells 2 from 3, and 4 from 5, which
// sizes and contents cannot, as the writer goes on all the while.
type cutter struct {
	r     *Rotator
	want  deploy.Logs
	path  string
	live  *os.File
	able  ability
	block int64
}

func (c cutter) step(done string) error {
	if c.r.step == nil {
		return nil
	}
	return c.r.step(done)
}

// recover finishes what an earlier rotator began.
func (c cutter) recover() error {
	_ = os.Remove(c.path + tmpSuffix)
	_, pending, err := listArchives(c.path)
	if err != nil {
		return err
	}
	if pending != nil {
		return c.finish(pending)
	}
	return c.collapse()
}

// cut archives one piece if the live file is over the limit, and tells whether
// it may be still.
func (c cutter) cut() (more bool, err error) {
	s, err := openStream(c.path, c.live)
	if err != nil {
		return false, err
	}
	p := s.parts[len(s.parts)-1]
	limit := c.want.MaxSize
	if p.to-p.from <= limit {
		return false, nil
	}
	// Something must remain behind the cut, or the kernel will not collapse.
	size := min((p.to-p.from-1)/c.block, max((limit+c.block-1)/c.block, 1)) * c.block
	if size == 0 {
		return false, nil
	}
	if c.able == neither {
		return false, errors.New("the file system can neither collapse nor punch files; the log grows on")
	}
	a := &archive{end: p.from + size, size: size, cut: p.raw + size}
	a.file = fmt.Sprintf("%s%s%d", archiveName(c.path, a.end), cutMark, a.cut)
	if err := prune(c.path, max(c.want.Keep-1, 1)); err != nil { // first, as the disk may be full
		return false, err
	}
	if err := c.copy(p.raw, size, a.file); err != nil {
		return false, err
	}
	if err := c.step("copied"); err != nil {
		return false, err
	}
	if err := c.finish(a); err != nil {
		return false, err
	}
	return true, prune(c.path, c.want.Keep)
}

func (c cutter) copy(from, size int64, to string) (err error) {
	tmp := c.path + tmpSuffix
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			_ = os.Remove(tmp) // a full disk must not be filled by half an archive
		}
	}()
	if _, err := io.Copy(f, io.NewSectionReader(c.live, from, size)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(tmp, to); err != nil {
		return err
	}
	return syncPath(filepath.Dir(to))
}

// finish takes the bytes of a copied archive out of the live file.
func (c cutter) finish(a *archive) error {
	err := control(c.live, func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, a.cut)
	})
	if err != nil {
		return fmt.Errorf("punch a hole: %w", err)
	}
	if err := c.live.Sync(); err != nil {
		return err
	}
	if err := c.step("punched"); err != nil {
		return err
	}
	if err := os.Rename(a.file, archiveName(c.path, a.end)); err != nil {
		return err
	}
	if err := syncPath(filepath.Dir(c.path)); err != nil {
		return err
	}
	if err := c.step("named"); err != nil {
		return err
	}
	return c.collapse()
}

// collapse removes the hole at the head, if the file system can. One that stays
// does no harm.
func (c cutter) collapse() error {
	st, err := c.live.Stat()
	if err != nil || c.able != collapses {
		return err
	}
	head, err := firstData(c.live, st.Size())
	if head = head / c.block * c.block; err != nil || head == 0 || head >= st.Size() {
		return err
	}
	_ = control(c.live, func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_COLLAPSE_RANGE, 0, head)
	})
	return c.step("collapsed")
}

// prune removes the oldest archives. The newest keeps its name even if none is
// to be kept, as it tells where in the stream the live file begins.
func prune(path string, keep int) error {
	final, _, err := listArchives(path)
	if err != nil || len(final) == 0 {
		return err
	}
	var errs []error
	for _, a := range final[:max(0, len(final)-max(keep, 1))] {
		errs = append(errs, os.Remove(a.file))
	}
	if keep <= 0 {
		errs = append(errs, os.Truncate(final[len(final)-1].file, 0))
	}
	return errors.Join(errs...)
}
