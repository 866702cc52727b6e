package dialect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestAPasswordIsFoundInEachOfItsForms(t *testing.T) {
	t.Parallel()
	for password, texts := range map[string][]string{
		"p@ss/w%rd x": {"p@ss/w%rd x", "p%40ss%2Fw%25rd+x", "postgres://u:p%40ss%2Fw%25rd%20x@h/db"},
		"pw":          {"mysql://u:pw@h/db", "host=h password=pw"},
	} {
		s := newSecrets(password)
		for _, text := range texts {
			err := s.scrub(fmt.Errorf("connect: %w: %s", context.Canceled, text))
			if got := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(got, text) || !strings.Contains(got, hidden) {
				t.Errorf("%s: %s", text, got)
			}
			if !errors.Is(err, context.Canceled) || errors.Unwrap(err) != nil {
				t.Errorf("%s: %v is called off, and no more can be had of it", text, err)
			}
		}
	}
	harmless := errors.New("the power is pwned")
	if got := newSecrets("pw").scrub(harmless); got != harmless {
		t.Errorf("%v: it has no password", got)
	}
}
