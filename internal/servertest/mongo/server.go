// Package mongo is a small MongoDB server for tests: there is no real one among
// Debian's packages. It speaks OP_MSG, and OP_QUERY as far as drivers say hello by
// it, and does what locks and records need: insert, find, findAndModify, update and
// delete with the operators of match.go and update.go, unique _ids, and everything
// one after the other. What it does not know it refuses, as a real server does.
//
// It is no witness for what a real server does when it fails over, or runs
// out of disk: SEGUE_TEST_MONGODB has the tests ask one.
package mongo

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"sync"
)

// A Server keeps its databases in memory, also while it is stopped. Its methods are
// called by one goroutine at a time.
type Server struct {
	addr    string
	data    store
	running sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while it is stopped
	conns    map[net.Conn]bool
}

// Start starts a server on a free port of the loopback address.
func Start() (*Server, error) {
	s := &Server{addr: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	if err := s.Again(); err != nil {
		return nil, err
	}
	s.addr = s.listener.Addr().String()
	return s, nil
}

// Addr is where it listens: host:port.
func (s *Server) Addr() string { return s.addr }

// Again starts a server that was stopped, where it was before.
func (s *Server) Again() error {
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("mongo: %w", err)
	}
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	s.running.Go(func() { s.accept(l) })
	return nil
}

// Stop cuts all connections in the middle of whatever they do, as a kill of the
// process would, and takes no more. What was answered stays.
func (s *Server) Stop() {
	s.mu.Lock()
	if s.listener != nil {
		_ = s.listener.Close() // it may be closed: then it is
		s.listener = nil
	}
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

func (s *Server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // Stop has closed it
		}
		if !s.enter(c) {
			_ = c.Close()
			return
		}
		s.running.Go(func() {
			defer s.leave(c)
			s.serve(c)
		})
	}
}

func (s *Server) enter(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return false
	}
	s.conns[c] = true
	return true
}

func (s *Server) leave(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	_ = c.Close()
}

// serve answers a connection's messages until one of both has closed it.
func (s *Server) serve(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		m, err := readMessage(in)
		if err != nil {
			return
		}
		reply, err := s.answer(m)
		if err != nil {
			return // what it sent is no message: a real server hangs up, too
		}
		if reply == nil {
			continue
		}
		if _, err := c.Write(reply); err != nil {
			return
		}
	}
}

func (s *Server) answer(m message) ([]byte, error) {
	switch m.op {
	case opMsg:
		r, err := m.parse()
		if err != nil {
			return nil, err
		}
		reply := s.data.run(r.command)
		if r.unanswered {
			return nil, nil
		}
		return m.reply(reply)
	case opQuery:
		command, err := m.parseQuery()
		if err != nil {
			return nil, err
		}
		return m.replyQuery(s.data.run(command))
	}
	return nil, errors.New("no such operation")
}
