package process

import (
	"slices"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
)

func TestEnviron(t *testing.T) {
	base := []string{"PATH=/bin", "LC_ALL=C", "AWS_SECRET=x", "HOME=/root", "bad"}
	got := Environ(base, deploy.Environment{"HOME": "/srv", "PORT": "1", "SEGUE_SERVICE": "no"}, 8080, "shop", "7", "shop-7-3")
	want := []string{"HOME=/srv", "LC_ALL=C", "PATH=/bin", "PORT=8080", "SEGUE_INSTANCE=shop-7-3", "SEGUE_RELEASE=7", "SEGUE_SERVICE=shop"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestExpand(t *testing.T) {
	got := expand([]string{"$A", "x ${B}", "$C"}, []string{"A=1", "B=two words"})
	if want := []string{"1", "x two words", "$C"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
