// Package webhook hands a message to a URL: once for each call, signed if there
// is a key, and to nobody else. A redirect to another host is not followed. No
// error shows the URL beyond its host, since it may be a secret.
//
// The signature is that of Standard Webhooks (standardwebhooks.com,
// specification of 2023): HMAC-SHA256 over ID, time and body.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A Receiver is whom to send to.
type Receiver struct {
	URL string
	Key []byte // nil: messages are not signed
}

// A Message is what to send.
type Message struct {
	ID   string // the same each time that it is sent, so that the receiver knows it again
	Body []byte // JSON
}

// A Sender sends messages. It may be used by any number of goroutines.
type Sender struct {
	agent string
	http  *http.Client
}

// timeout is for the whole exchange. A receiver that has work to do does it
// after it has answered.
const timeout = 15 * time.Second

// NewSender returns a Sender that calls itself by the given name and version.
func NewSender(agent string) *Sender {
	return &Sender{agent, &http.Client{Timeout: timeout, CheckRedirect: sameHost, Transport: &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DisableKeepAlives: true, // messages are rare
	}}}
}

// A RefusedError is an answer that is no success.
type RefusedError struct {
	Host  string
	Code  int
	After time.Duration // what Retry-After asks for; 0 nothing
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s answered %d %s", e.Host, e.Code, http.StatusText(e.Code))
}

// Gone reports whether the receiver wants no more of them, which is what the
// specification has 410 mean.
func (e *RefusedError) Gone() bool { return e.Code == http.StatusGone }

// Send sends a message and returns nil once the receiver has answered with 2xx.
func (s *Sender) Send(ctx context.Context, to Receiver, m Message) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(m.Body))
	if err != nil {
		return errors.New("the URL cannot be used") // what is wrong with it would show it
	}
	sign(req.Header, to.Key, m, time.Now())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", s.agent)
	res, err := s.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", req.URL.Host, withoutURL(err))
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // what it says besides is not for us
	if res.StatusCode/100 == 2 {
		return nil
	}
	seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	return &RefusedError{Host: req.URL.Host, Code: res.StatusCode, After: time.Duration(max(seconds, 0)) * time.Second}
}

// sign sets the fields of the specification.
func sign(h http.Header, key []byte, m Message, at time.Time) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	h.Set("Webhook-Id", m.ID)
	h.Set("Webhook-Timestamp", stamp)
	if key != nil {
		h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(signature(key, m.ID, stamp, m.Body)))
	}
}

func signature(key []byte, id, stamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

var errRedirect = errors.New("it redirects to another host, which is not followed; give the new URL")

// sameHost lets a redirect be followed that stays where it is and keeps the
// method; http.Client makes a GET of 301 to 303, which would tell nothing.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case req.URL.Host != first.URL.Host || req.URL.Scheme != first.URL.Scheme:
		return errRedirect
	case req.Method != http.MethodPost:
		return http.ErrUseLastResponse
	case len(via) > 3:
		return errors.New("it redirects again and again")
	}
	return nil
}

// withoutURL takes off what http.Client puts around its errors.
func withoutURL(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err
	}
	return err
}
