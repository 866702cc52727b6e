package process

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	long := strings.Repeat("y", MaxLine+10)
	for text, want := range map[string][]string{
		"":           nil,
		"a":          {"a"},
		"a\n":        {"a"},
		"a\n\n":      {"a", ""},
		"a\nb\nc\n":  {"b", "c"},
		"a\nb\nc":    {"b", "c"},
		"\n\n\n":     {"", ""},
		"a\n" + long: {long[:MaxLine], "yyyyyyyyyy"},
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Tail(path, 2)
		if err != nil || strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) {
			t.Errorf("%.20q: got %.40q, %v", text, got, err)
		}
	}
	if got, err := Tail(path, 0); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	if _, err := Tail(path+"no", 1); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestFollow(t *testing.T) {
	path := filled(t, t.TempDir(), 10)
	ctx, cancel := context.WithCancelCause(t.Context())
	got := make(chan string)
	done := make(chan error, 1)
	go func() {
		done <- Follow(ctx, path, 2, func(b []byte) error { got <- string(b[:2]); return nil })
	}()
	if a, b := <-got, <-got; a != "8 " || b != "9 " {
		t.Error(a, b)
	}
	appendLines(t, path, 10, 11)
	if a := <-got; a != "10" {
		t.Error(a)
	}
	if err := os.Truncate(path, 0); err != nil { // by somebody who wants the disk back
		t.Fatal(err)
	}
	eventually(t, "the follower has seen it", func() bool {
		appendLines(t, path, 11, 12)
		select {
		case a := <-got:
			return a == "11"
		default:
			return false
		}
	})
	go func() {
		for range got {
		}
	}()
	why := errors.New("enough")
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Error(err)
	}
}

func TestFollowUntilRemoved(t *testing.T) {
	path := filled(t, t.TempDir(), 3)
	seen := make(chan struct{})
	done := make(chan error, 1)
	var lines []string
	go func() {
		done <- Follow(t.Context(), path, 100, func(b []byte) error {
			if lines = append(lines, string(b)); len(lines) == 3 {
				close(seen)
			}
			return nil
		})
	}()
	<-seen
	if err := RemoveLog(path); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || len(lines) != 3 {
		t.Error(lines, err)
	}
	if err := Follow(t.Context(), path, 0, nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func FuzzSplitter(f *testing.F) {
	f.Add([]byte("a\nb\n\nc"), 2)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		var got []string
		var s splitter
		keep := func(l []byte) error { got = append(got, string(l)); return nil }
		for r, piece := bytes.NewReader(b), make([]byte, max(1, size%64)); ; {
			n, err := r.Read(piece)
			if err == io.EOF {
				break
			}
			_ = s.feed(piece[:n], keep)
		}
		_ = s.flush(keep)
		want := strings.TrimSuffix(string(b), "\n")
		if joined := strings.Join(got, "\n"); joined != want {
			t.Errorf("got %q, want %q", joined, want)
		}
	})
}
