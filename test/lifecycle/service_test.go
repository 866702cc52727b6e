package lifecycle_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A service is the fixture as processes of its own, of which one serves.
type service struct {
	t     *testing.T
	addr  string
	url   string
	pid   int // of the process that serves
	fault string
	log   *journal
}

// journal is what the processes write.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// startService starts the fixture and waits until it answers.
func startService(t *testing.T, how string, env ...string) *service {
	t.Helper()
	return startProgram(t, os.Args[0], how, env...)
}

func startProgram(t *testing.T, program, how string, env ...string) *service {
	t.Helper()
	port := freePort(t)
	scheme := "http"
	if how == "tls" {
		scheme = "https"
	}
	addr := fmt.Sprint("127.0.0.1:", port)
	s := &service{t: t, addr: addr, url: scheme + "://" + addr + "/", fault: filepath.Join(t.TempDir(), "fault"), log: &journal{}}
	// A pipe, and not a Writer: with that, Wait would wait for all who have it.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), append(env, serveVariable+"="+how, fmt.Sprint("PORT=", port), faultFile+"="+s.fault)...)
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = io.Copy(s.log, r)
	}()
	s.pid = cmd.Process.Pid
	t.Cleanup(func() {
		if s.pid != 0 {
			_ = syscall.Kill(s.pid, syscall.SIGKILL)
			s.gone(s.pid)
		}
		<-copied
		if t.Failed() {
			t.Logf("the service:\n%s", s.log)
		}
	})
	s.said(1, "INFO ready")
	return s
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// who answers; 0 for nobody.
func (s *service) who() int {
	got, err := s.ask("pid")
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(got)
	return pid
}

func (s *service) get(path string) string {
	s.t.Helper()
	got, err := s.ask(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

// ask sends a request on a connection of its own.
func (s *service) ask(path string) (string, error) {
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: 10 * time.Second}
	resp, err := c.Get(s.url + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// faulty has new processes show the fault of the service, or not any more.
func (s *service) faulty(yes bool) {
	s.t.Helper()
	err := os.Remove(s.fault)
	if yes {
		err = os.WriteFile(s.fault, nil, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// await asks again and again.
func (s *service) await(what string, is func() bool) {
	s.t.Helper()
	for until := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			s.t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// said waits until the log has the words, n times.
func (s *service) said(n int, words string) {
	s.t.Helper()
	s.await(words, func() bool { return strings.Count(s.log.String(), words) >= n })
}

func (s *service) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(s.pid, sig); err != nil {
		s.t.Fatal(err)
	}
}

// gone waits for the end of a process, and returns its exit code; -1 for a signal.
func (s *service) gone(pid int) int {
	s.t.Helper()
	p, err := os.FindProcess(pid)
	if err != nil {
		s.t.Fatal(err)
	}
	code := make(chan int, 1)
	go func() {
		// It becomes our child only when the one that has started it is gone.
		for {
			state, err := p.Wait()
			if err == nil {
				code <- state.ExitCode()
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	select {
	case c := <-code:
		return c
	case <-time.After(30 * time.Second):
		s.t.Fatalf("process %d has not ended\n%s", pid, s.log)
		return -1
	}
}

// replace sends SIGUSR2, and returns when the old process has ended.
func (s *service) replace() {
	s.t.Helper()
	old := s.pid
	const leaves, failed = "this one leaves", "replace: failed"
	before := strings.Count(s.log.String(), leaves)
	failures := strings.Count(s.log.String(), failed)
	s.signal(syscall.SIGUSR2)
	s.await(leaves, func() bool {
		if strings.Count(s.log.String(), failed) > failures {
			s.t.Fatal("the new process has failed")
		}
		return strings.Count(s.log.String(), leaves) > before
	})
	s.pid = s.next()
	if code := s.gone(old); code != 0 {
		s.t.Fatalf("the old process ended with %d", code)
	}
}

// next is the process that was started last.
func (s *service) next() int {
	log := s.log.String()
	_, rest, _ := strings.Cut(log[strings.LastIndex(log, "started a new process"):], "new=")
	number, _, _ := strings.Cut(rest, " ")
	pid, err := strconv.Atoi(number)
	if err != nil {
		s.t.Fatal(err)
	}
	return pid
}
