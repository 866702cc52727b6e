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
	env := []string{"A=1", "B=$A", "EMPTY="}
	for in, want := range map[string]string{
		"$A": "1", "x${A}y$A": "x1y1", "$B": "$A", "[$EMPTY]": "[]", "$$A": "$A", "$$$A": "$1",
		"$C ${C} $1 $? $": "$C ${C} $1 $? $", "${A": "${A", "${A-x}": "${A-x}", "$A_B": "$A_B", "$A-B": "1-B",
	} {
		if got := Expand([]string{in}, env)[0]; got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
