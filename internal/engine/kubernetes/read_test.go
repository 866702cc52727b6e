package kubernetes

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestLinesOfALogAreToldWithTheirTimes(t *testing.T) {
	long := strings.Repeat("x", 1<<17)
	for _, tt := range []struct {
		name, log, want string
		err             string
	}{
		{"lines", "2026-11-22T08:51:06.245630620Z one\n2026-11-22T08:51:07Z  two \r\n", "245630620: one\n0:  two \n", ""},
		{"the last without its end", "2026-11-22T08:51:07Z one", "0: one\n", ""},
		{"an empty line", "2026-11-22T08:51:07Z \n", "0: \n", ""},
		{"a long line", "2026-11-22T08:51:07Z " + long + "\n", "0: " + long + "\n", ""},
		{"nothing", "", "", ""},
		{"no log but the node's word", "unable to retrieve container logs for containerd://c559", "", "unable to retrieve container logs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got strings.Builder
			err := eachLine(strings.NewReader(tt.log), func(at time.Time, line string) error {
				fmt.Fprintf(&got, "%d: %s\n", at.Nanosecond(), line)
				return nil
			})
			if got.String() != tt.want {
				t.Errorf("got %q", got.String())
			}
			if tt.err == "" && err != nil || tt.err != "" && (!errors.As(err, new(noLog)) || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got the error %v", err)
			}
		})
	}
	full := errors.New("full")
	if err := eachLine(strings.NewReader("2026-11-22T08:51:07Z a\n"), func(time.Time, string) error { return full }); err != full {
		t.Errorf("who takes the lines has failed, and was told %v", err)
	}
}
