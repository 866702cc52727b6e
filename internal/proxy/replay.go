package proxy

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// upload is a request's body that is passed on as it comes. It is read from the
// client once, and kept, as far as that is allowed, so that it can be sent to
// another instance from its first byte ("partial post replay": Naseer et al.,
// Zero Downtime Release, SIGCOMM 2020, §4.3).
//
// Senders come one after another; one whose connection was given up may still
// be waiting for the client, and what it then reads is the next one's.
type upload struct {
	body     io.Reader
	patience *patience
	reading  sync.Mutex // held while the client is read

	mu       sync.Mutex // guards what follows; never held while the client is read
	kept     keptBody
	size     int64 // read from the client so far
	err      error // how the client has ended: io.EOF, or worse
	catching bool  // the sender has yet to send what was kept: nothing may be dropped
}

// read gives what stands in the body behind at: from what is kept, or from the
// client.
func (u *upload) read(p []byte, at int64) (int, error) {
	if n, err, ok := u.again(p, at); ok {
		return n, err
	}
	u.reading.Lock()
	defer u.reading.Unlock()
	if n, err, ok := u.again(p, at); ok { // another has read it meanwhile
		return n, err
	}
	n, err := u.body.Read(p)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.kept.keep(p[:n], u.size, u.catching)
	u.size += int64(n)
	u.err = err
	return n, err
}

// again reads what was read before; ok is false when there is nothing more of
// that.
func (u *upload) again(p []byte, at int64) (n int, err error, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at < u.size {
		n, err = u.kept.read(p[:min(int64(len(p)), u.size-at)], at)
		return n, err, true
	}
	u.catching = false
	return 0, u.err, u.err != nil
}

// forget drops what is kept, as the answer has begun, unless it has yet to be
// sent.
func (u *upload) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.catching {
		u.kept.drop()
	}
}

// States of a sender.
const (
	underWay = iota
	sentAll  // the instance has the last byte, or is about to get it
	movedOn  // the body is to be sent elsewhere
)

// finish is the sender's claim to send the last byte; false means that the body
// was given to another instance.
func (s *bodySender) finish() bool {
	s.upload.mu.Lock()
	defer s.upload.mu.Unlock()
	if s.state == movedOn {
		return false
	}
	s.state = sentAll
	return true
}

// move takes the body away from a sender that has not sent all of it; false
// means that it has, or that not all is kept.
func (s *bodySender) move() bool {
	u := s.upload
	u.mu.Lock()
	defer u.mu.Unlock()
	broken := u.err != nil && u.err != io.EOF
	if s.state != underWay || u.kept.lost || broken {
		return s.state == movedOn
	}
	s.state, u.catching = movedOn, true
	return true
}

// replay decides, behind an attempt that ended without an answer, whether the
// body is sent to another instance: because its own leaves, or has died before
// it had all of it. Nobody can tell what the instance did with a part; that is
// the same risk that a client takes who sends an upload again.
func (x *exchange) replay(err error) bool {
	s := x.sender
	if s == nil {
		return false
	}
	switch x.flight.why() {
	case drained:
		if !s.move() {
			return false
		}
	case stays:
		if !errors.Is(err, errNoAnswer) || x.repeats >= mostRepeats || !s.move() {
			return false
		}
		x.repeats++
		x.failed()
	default:
		return false
	}
	x.said("replayed")
	close(s.stop)
	x.former = append(x.former, s)
	x.sender = nil
	return true
}

// joinFormer waits for the senders whose connections were given up. They notice
// when they next have something from the client.
func (x *exchange) joinFormer() {
	for _, s := range x.former {
		s.upload.mu.Lock()
		ended := s.upload.err != nil
		s.upload.mu.Unlock()
		if !ended {
			x.upload.patience.end()
		}
		<-s.done
	}
	x.former = nil
}

// endUpload ends what is left of a body's passing on.
func (x *exchange) endUpload() {
	if x.upload == nil {
		return
	}
	x.joinFormer()
	x.upload.kept.drop() // all senders have ended
	x.rcv = x.upload.size
}

// keepMemory is how much of an upload is kept in memory; beyond, it goes to
// disk, where all uploads together get keepDisk.
const (
	keepMemory = 64 << 10
	keepDisk   = 1 << 30
)

// keptBody is a body that is kept from its first byte. Where that does not work, for want
// of room or because of an error, it is lost, and the body cannot be sent again.
type keptBody struct {
	most int64         // bytes
	disk *atomic.Int64 // bytes that all keepers have on disk
	mem  []byte
	file *os.File // unlinked; then everything stands there
	size int64    // of the file
	lost bool
}

var errNotKept = errors.New("the body is not kept")

// keep keeps p, which stands at at; must overrides the bound of the size.
func (k *keptBody) keep(p []byte, at int64, must bool) {
	end := at + int64(len(p))
	switch {
	case k.lost || len(p) == 0:
	case end > k.most && !must:
		k.drop()
	case k.file == nil && end <= keepMemory:
		k.mem = append(k.mem, p...)
	case k.toDisk() != nil || k.write(p) != nil:
		k.drop()
	}
}

// toDisk moves what is in memory to a file that has no name.
func (k *keptBody) toDisk() (err error) {
	if k.file != nil {
		return nil
	}
	if k.file, err = os.CreateTemp("", "segue-upload-*"); err != nil {
		return err
	}
	if err := os.Remove(k.file.Name()); err != nil {
		return err
	}
	mem := k.mem
	k.mem = nil
	return k.write(mem)
}

func (k *keptBody) write(p []byte) error {
	if k.disk.Add(int64(len(p))) > keepDisk {
		k.disk.Add(-int64(len(p)))
		return errNotKept
	}
	_, err := k.file.WriteAt(p, k.size)
	k.size += int64(len(p))
	return err
}

// read fills p with what stands at at, all of which was kept.
func (k *keptBody) read(p []byte, at int64) (int, error) {
	switch {
	case k.lost:
		return 0, errNotKept
	case k.file != nil:
		return k.file.ReadAt(p, at)
	}
	return copy(p, k.mem[at:]), nil
}

func (k *keptBody) drop() {
	if k.file != nil {
		k.file.Close()
		k.disk.Add(-k.size)
	}
	k.file, k.mem, k.size, k.lost = nil, nil, 0, true
}
