package process

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

func TestBuild(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if err := Build(t.Context(), dir, "pwd; echo err >&2", &out); err != nil || out.String() != dir+"\nerr\n" {
		t.Errorf("%q %v", &out, err)
	}
	err := Build(t.Context(), dir, "for i in $(seq 100); do echo line $i; done\nexit 3", io.Discard)
	if err == nil || !strings.Contains(err.Error(), "exit status 3\n  line 91\n") || !strings.HasSuffix(err.Error(), "\n  line 100") {
		t.Error(err)
	}
	if err := Build(t.Context(), dir+"/no", "true", io.Discard); err == nil {
		t.Error("built nowhere")
	}
}

func TestBuildCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- Build(ctx, t.TempDir(), `sh -c '`+stubborn+`' & wait`, w)
		w.Close()
	}()
	b := make([]byte, 20)
	n, err := r.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, r)
	cancel()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "called off") {
		t.Error(err)
	}
	var pid int
	for _, c := range strings.TrimSpace(string(b[:n])) {
		pid = pid*10 + int(c-'0')
	}
	gone(t, pid)
}
