package lock

import (
	"testing"
	"time"

	"github.com/seguehq/segue/store"
)

func TestAnOwnerSaysWhichReleaseItIs(t *testing.T) {
	t.Setenv("SEGUE_INSTANCE", "web-a1")
	t.Setenv("SEGUE_SERVICE", "shop")
	since := time.Date(2026, 11, 22, 15, 4, 5, 0, time.Local)
	for release, want := range map[string]string{"7": "web-a1 (release 7 of shop) since 15:04:05", "": "web-a1 (shop) since 15:04:05"} {
		t.Setenv("SEGUE_RELEASE", release)
		if got := ownerOf(store.LockParty{Owner: thisProcess().encode(), Since: since}).String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := ownerOf(store.LockParty{Owner: "somebody else's text", Since: since}).String(); got != "somebody else's text since 15:04:05" {
		t.Errorf("got %q", got)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, key string
		want         bool
	}{
		{"*", "a/b", true}, {"", "", true}, {"", "a", false}, {"a", "a", true}, {"a?", "aü", true}, {"a?", "a", false},
		{"*b*", "abc", true}, {"*b", "abc", false}, {"a*c*e", "abcde", true}, {"a*c*e", "abcdef", false}, {"**", "x", true},
		{"*aab", "aaaab", true}, {"a[b]", "a[b]", true}, {"a[b]", "ab", false},
	} {
		if got := match(c.pattern, c.key); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.key, got)
		}
	}
}
