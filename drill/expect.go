package drill

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// maxKeptBody bounds how much of a response's body is looked at by
// BodyContains, BodyMatches and ReleaseFromBody: the first mebibyte.
const maxKeptBody = 1 << 20

// Expect is what makes an answer right. All that is set must hold. The zero
// value accepts any complete response with a status of 200–399; redirects are
// answers, and are not followed.
type Expect struct {
	// Status lists accepted status codes; empty means 200–399.
	Status StatusSet
	// BodyContains must occur in the first mebibyte of the body.
	BodyContains string
	// BodyMatches must match within the first mebibyte of the body.
	BodyMatches *regexp.Regexp
	// BodyEquals is the whole body, when not nil.
	BodyEquals []byte
	// BodySHA256 is the hash of the whole body, in hexadecimal.
	BodySHA256 string
	// Header lists response headers that must be there; a value other than
	// "" must be among those sent.
	Header http.Header
}

// StatusSet is a list of ranges of status codes; the zero value is 200–399.
type StatusSet []StatusRange

// StatusRange is the status codes From to To, both included.
type StatusRange struct{ From, To int }

// ParseStatus reads "200-299,404".
func ParseStatus(s string) (StatusSet, error) {
	var set StatusSet
	for part := range strings.SplitSeq(s, ",") {
		lo, hi, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			hi = lo
		}
		from, err1 := strconv.Atoi(lo)
		to, err2 := strconv.Atoi(hi)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("drill: status %q: want codes and ranges such as 200-299,404", s)
		}
		set = append(set, StatusRange{from, to})
	}
	return set, set.check()
}

func (s StatusSet) check() error {
	for _, r := range s {
		if r.From < 100 || r.To > 999 || r.From > r.To {
			return fmt.Errorf("drill: status range %d-%d: codes lie between 100 and 999, lower one first", r.From, r.To)
		}
	}
	return nil
}

func (s StatusSet) has(code int) bool {
	if len(s) == 0 {
		return code >= 200 && code <= 399
	}
	for _, r := range s {
		if code >= r.From && code <= r.To {
			return true
		}
	}
	return false
}

// String is the set as ParseStatus reads it.
func (s StatusSet) String() string {
	if len(s) == 0 {
		return "200-399"
	}
	var parts []string
	for _, r := range s {
		if r.From == r.To {
			parts = append(parts, strconv.Itoa(r.From))
			continue
		}
		parts = append(parts, fmt.Sprintf("%d-%d", r.From, r.To))
	}
	return strings.Join(parts, ",")
}

func (e Expect) check() error {
	if e.BodySHA256 != "" {
		if b, err := hex.DecodeString(e.BodySHA256); err != nil || len(b) != sha256.Size {
			return fmt.Errorf("drill: body hash %q: want 64 hexadecimal digits (SHA-256)", e.BodySHA256)
		}
	}
	return e.Status.check()
}

// keepsBody reports whether the body's bytes are needed, not only their number.
func (e *Expect) keepsBody() bool {
	return e.BodyContains != "" || e.BodyMatches != nil || e.BodyEquals != nil
}

// answer is a complete response, as far as anybody looks at it.
type answer struct {
	status int
	header http.Header
	body   *sink
}

// judge returns the class of a complete answer ("" when it is right) and why.
func (e *Expect) judge(a answer) (Class, string) {
	if !e.Status.has(a.status) {
		return statusClass(a), fmt.Sprintf("status %d, expected %s", a.status, e.Status)
	}
	if why := e.judgeHeader(a.header); why != "" {
		return WrongHeader, why
	}
	if why := e.judgeBody(a.body); why != "" {
		return WrongBody, why
	}
	return "", ""
}

func statusClass(a answer) Class {
	switch {
	case a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "":
		return Unavailable
	case a.status >= 500 && a.status <= 599:
		return ServerError
	default:
		return UnexpectedStatus
	}
}

func (e *Expect) judgeHeader(h http.Header) string {
	for name, wants := range e.Header {
		got := h.Values(name)
		if len(got) == 0 {
			return "header " + name + " is missing"
		}
		for _, want := range wants {
			if want != "" && !contains(got, want) {
				return "header " + name + " has another value than expected"
			}
		}
	}
	return ""
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// judgeBody tells sizes and never contents: bodies may hold secrets.
func (e *Expect) judgeBody(b *sink) string {
	switch {
	case e.BodyEquals != nil && (b.n != int64(len(e.BodyEquals)) || !bytes.Equal(b.kept, e.BodyEquals)):
		return fmt.Sprintf("body of %d bytes is not the expected one of %d", b.n, len(e.BodyEquals))
	case e.BodyContains != "" && !bytes.Contains(b.kept, []byte(e.BodyContains)):
		return fmt.Sprintf("body of %d bytes lacks the expected text", b.n)
	case e.BodyMatches != nil && !e.BodyMatches.Match(b.kept):
		return fmt.Sprintf("body of %d bytes does not match the expected pattern", b.n)
	case e.BodySHA256 != "" && !strings.EqualFold(hex.EncodeToString(b.hash.Sum(nil)), e.BodySHA256):
		return fmt.Sprintf("body of %d bytes has another SHA-256 than expected", b.n)
	}
	return ""
}
