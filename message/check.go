package message

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of what every broker takes.
const (
	MaxID     = 128 // bytes
	MaxTopic  = 200 // bytes
	MaxGroup  = 100 // bytes
	MaxKey    = 255 // bytes: as many as a routing key of AMQP 0-9-1 may have
	MaxHeader = 16 << 10
	MaxBody   = 1 << 20 // bytes; what is larger belongs in a store, with its key in the message
)

// Check reports what no broker takes.
func (m Message) Check() error {
	if err := CheckName("topic", m.Topic, MaxTopic); err != nil {
		return err
	}
	size := 0
	for k, v := range m.Header {
		if k == "" || !utf8.ValidString(k) || !utf8.ValidString(v) {
			return fmt.Errorf("message: %q: the header %q: %q is not text with a name", m.Topic, k, v)
		}
		size += len(k) + len(v)
	}
	for _, b := range []struct {
		what      string
		has, most int
	}{{"ID", len(m.ID), MaxID}, {"key", len(m.Key), MaxKey}, {"header", size, MaxHeader}, {"body", len(m.Body), MaxBody}} {
		if b.has > b.most {
			return fmt.Errorf("message: %q: the %s has %d bytes, more than the %d that a message may have", m.Topic, b.what, b.has, b.most)
		}
	}
	if !utf8.ValidString(m.ID) || !utf8.ValidString(m.Key) {
		return fmt.Errorf("message: %q: ID and key are text in UTF-8", m.Topic)
	}
	return nil
}

// CheckName reports a topic or group that no broker takes: one that is empty, longer
// than most bytes, or has other characters than letters, digits and . _ -
func CheckName(what, name string, most int) error {
	if name == "" || len(name) > most || strings.ContainsFunc(name, notPlain) {
		return fmt.Errorf("message: %s %q: it has 1 to %d of a-z A-Z 0-9 . _ -", what, name, most)
	}
	return nil
}

func notPlain(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
}
