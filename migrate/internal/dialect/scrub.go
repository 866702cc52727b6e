package dialect

import (
	"context"
	"errors"
	"net/url"
	"strings"
)

// secrets are the ways in which a password may be written in an error.
type secrets []string

const hidden = "xxxxx"

// newSecrets makes the forms of a password; none of an empty one.
func newSecrets(password string) secrets {
	if password == "" {
		return nil
	}
	forms := secrets{}
	for _, form := range []string{password, url.QueryEscape(password), url.PathEscape(password),
		strings.TrimPrefix(url.UserPassword("", password).String(), ":")} {
		if len(form) < 4 { // would be found in any text: look for it where a URL has it
			forms = append(forms, ":"+form+"@", "password="+form)
			continue
		}
		forms = append(forms, form)
	}
	return forms
}

func (s secrets) scrub(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for _, form := range s {
		text = strings.ReplaceAll(text, form, hidden)
	}
	if text == err.Error() {
		return err
	}
	return scrubbed{text, err}
}

// scrubbed stands for an error whose text had a password in it. That one cannot be
// had any more, for somebody might print it.
type scrubbed struct {
	text string
	was  error
}

func (e scrubbed) Error() string { return e.text }

// Is keeps what a caller who has called it off asks for.
func (e scrubbed) Is(target error) bool {
	return (target == context.Canceled || target == context.DeadlineExceeded) && errors.Is(e.was, target)
}

// GoString keeps %#v from showing it.
func (e scrubbed) GoString() string { return e.text }
