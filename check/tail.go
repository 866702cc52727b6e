package check

import (
	"io"
	"strings"
	"sync"
)

// A tail keeps the end of what a server writes.
type tail struct {
	also io.Writer // gets everything, if not nil

	mu   sync.Mutex
	kept []byte
}

const tailBytes = 8 << 10

func (t *tail) copy(r io.ReadCloser) {
	defer r.Close()
	_, _ = io.Copy(t, r)
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if over := len(t.kept) - tailBytes; over > 0 {
		t.kept = t.kept[over:]
	}
	if t.also != nil {
		_, _ = t.also.Write(b) // who shows it must not stop the server
	}
	return len(b), nil
}

// last are up to n lines.
func (t *tail) last(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.kept)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
