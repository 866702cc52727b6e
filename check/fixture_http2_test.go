package check

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A fixture2 is an HTTP/2 connection of the fixture. It says goodbye in two
// steps, and ends when its last stream has.
type fixture2 struct {
	*fixture
	c  *fixtureConn
	fr *http2.Framer

	mu      sync.Mutex // for all that is below, and for each write
	changed *sync.Cond
	streams map[uint32]*fixtureStream
	highest uint32 // of all streams
	last    uint32 // the last that is taken; 0 while all are
	room    int    // what the client takes of all bodies
	window  int    // and of a new stream's
	ponged  bool   // the client has seen the first GOAWAY
	gone    bool   // the connection has ended
	block   bytes.Buffer
	enc     *hpack.Encoder
}

type fixtureStream struct {
	*fixture2
	id   uint32
	path string
	got  int  // bytes of the request's body
	all  bool // the request is whole
	room int

	waits bool // for the client to take some of the answer
}

// serve2 is called behind the first line and the empty one of the preface.
func (f *fixture) serve2(c *fixtureConn) {
	if _, err := io.ReadFull(c.r, make([]byte, len("SM\r\n\r\n"))); err != nil {
		return
	}
	s := &fixture2{fixture: f, c: c, fr: http2.NewFramer(c, c.r), streams: map[uint32]*fixtureStream{}, room: 65535, window: 65535}
	s.changed = sync.NewCond(&s.mu)
	s.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	s.enc = hpack.NewEncoder(&s.block)
	_ = s.fr.WriteSettings()
	var leaving sync.WaitGroup
	ended := make(chan struct{})
	leaving.Go(func() { s.leave(ended) })
	defer leaving.Wait()
	defer close(ended)
	for {
		fr, err := s.fr.ReadFrame()
		s.mu.Lock()
		if err == nil {
			s.take(fr)
		}
		s.gone = err != nil
		s.changed.Broadcast()
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take is called with mu held.
func (s *fixture2) take(f http2.Frame) {
	st := s.streams[f.Header().StreamID]
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return
		}
		if v, ok := f.Value(http2.SettingInitialWindowSize); ok {
			s.window = int(v)
		}
		_ = s.fr.WriteSettingsAck()
	case *http2.PingFrame:
		s.ponged = s.ponged || f.IsAck()
		if !f.IsAck() {
			_ = s.fr.WritePing(true, f.Data)
		}
	case *http2.WindowUpdateFrame:
		if f.StreamID == 0 {
			s.room += int(f.Increment)
		} else if st != nil {
			st.room += int(f.Increment)
		}
	case *http2.DataFrame:
		if st != nil {
			st.got += len(f.Data())
			st.all = f.StreamEnded()
		}
	case *http2.MetaHeadersFrame:
		s.begin(f)
	}
}

// begin is called with mu held.
func (s *fixture2) begin(f *http2.MetaHeadersFrame) {
	s.highest = max(s.highest, f.StreamID)
	if s.last > 0 && f.StreamID > s.last || s.isStopping() && s.faults["h2-drops"] {
		return // it was said
	}
	st := &fixtureStream{fixture2: s, id: f.StreamID, path: f.PseudoValue("path"), all: f.StreamEnded(), room: s.window}
	s.streams[st.id] = st
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		st.serve()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.streams, st.id)
		s.changed.Broadcast()
	}()
}

// leave ends the connection after the signal.
func (s *fixture2) leave(ended <-chan struct{}) {
	late := s.isStopping()
	select {
	case <-s.stopping:
	case <-ended:
		return
	}
	if late { // it serves new clients for as long as they cannot know
		select {
		case <-time.After(fixtureLingers):
		case <-ended:
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sayGoodbye() {
		return
	}
	for s.working() > 0 && !s.gone {
		s.changed.Wait()
	}
	s.c.Close()
}

// working counts the streams that are to end before the connection does. mu is
// held.
func (s *fixture2) working() int {
	n := 0
	for _, st := range s.streams {
		if !s.faults["h2-cut"] || !st.waits {
			n++
		}
	}
	return n
}

// sayGoodbye is called with mu held. It gives false if the connection stays.
func (s *fixture2) sayGoodbye() bool {
	goaway := func(last uint32) { _ = s.fr.WriteGoAway(last, http2.ErrCodeNo, nil) }
	switch {
	case s.faults["h2-never-told"]:
		return false
	case s.faults["h2-not-told"]:
		return true
	case s.faults["h2-one-step"]:
		s.last = s.highest
		goaway(s.last)
		return true
	case s.faults["h2-error"]:
		s.last = s.highest
		_ = s.fr.WriteGoAway(s.last, http2.ErrCodeInternal, nil)
		return true
	case s.faults["h2-raised"]:
		goaway(s.highest)
		goaway(s.highest + 2)
		return true
	}
	goaway(allStreams)
	_ = s.fr.WritePing(false, [8]byte{})
	for !s.ponged && !s.gone {
		s.changed.Wait()
	}
	s.last = s.highest
	if s.faults["h2-low"] {
		for s.working() > 0 && !s.gone { // what it disowns it has answered: that is the fault
			s.changed.Wait()
		}
		goaway(1)
	} else {
		goaway(s.last)
	}
	return true
}

func (st *fixtureStream) serve() {
	switch st.path {
	case "/slow":
		time.Sleep(fixtureSlow)
	case "/stream":
		st.fields(false, ":status", "200")
		for range 18 {
			st.data("line\n", false)
			time.Sleep(fixtureSlow / 18)
		}
		st.data("end\n", true)
		return
	case "/events":
		st.fields(false, ":status", "200", "content-type", "text/event-stream")
		for !st.isStopping() {
			st.data("data: x\n\n", false)
			time.Sleep(5 * time.Millisecond)
		}
		st.data("", true)
		return
	case "/fixture.Slow/Call":
		st.serveSlowCall()
		return
	case "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch":
		st.serveHealth()
		return
	}
	st.fields(false, ":status", "200")
	st.data(fmt.Sprintln(st.wholeBody()), true)
}

// wholeBody waits for all of the request, and gives its length.
func (st *fixtureStream) wholeBody() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	for !st.all && !st.gone {
		st.changed.Wait()
	}
	return st.got
}

func (st *fixtureStream) fields(last bool, pairs ...string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		_ = st.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	_ = st.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: st.id, BlockFragment: st.block.Bytes(), EndHeaders: true, EndStream: last})
}

// data waits until the client takes it all.
func (st *fixtureStream) data(s string, last bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for (st.room < len(s) || st.fixture2.room < len(s)) && !st.gone {
		if !st.waits {
			st.waits = true
			st.changed.Broadcast()
		}
		st.changed.Wait()
	}
	st.waits = false
	st.room -= len(s)
	st.fixture2.room -= len(s)
	_ = st.fr.WriteData(st.id, last, []byte(s))
}
