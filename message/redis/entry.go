package redis

import (
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/message"
)

// Fields of an entry. All others are headers.
const (
	fieldID   = "id"
	fieldKey  = "key"
	fieldTime = "time"
	fieldBody = "body"
	// fieldAttempt is in what was given back: how often it was handled before.
	fieldAttempt = "attempt"
	// escape is before the name of a header that would be taken for a field.
	escape = "header:"
)

func isField(name string) bool {
	switch name {
	case fieldID, fieldKey, fieldTime, fieldBody, fieldAttempt:
		return true
	}
	return strings.HasPrefix(name, escape)
}

// encode tells the fields of a message, one after another.
func encode(m *message.Message, field func(name, value string)) {
	field(fieldID, m.ID)
	if m.Key != "" {
		field(fieldKey, m.Key)
	}
	field(fieldTime, strconv.FormatInt(m.Time.UnixMilli(), 10))
	for k, v := range m.Header {
		if isField(k) {
			k = escape + k
		}
		field(k, v)
	}
	field(fieldBody, rueidis.BinaryString(m.Body))
}

// decode makes a message of an entry. One of a foreign program may lack any field;
// without an ID its place is its ID.
func decode(topic, entry string, fields []rueidis.XRangeFieldValue) message.Message {
	m := message.Message{ID: topic + "/" + entry, Topic: topic, Attempt: 1}
	for _, f := range fields {
		switch f.Field {
		case fieldID:
			m.ID = f.Value
		case fieldKey:
			m.Key = f.Value
		case fieldBody:
			m.Body = []byte(f.Value)
		case fieldTime:
			if ms, err := strconv.ParseInt(f.Value, 10, 64); err == nil {
				m.Time = time.UnixMilli(ms)
			}
		case fieldAttempt:
			if n, err := strconv.Atoi(f.Value); err == nil {
				m.Attempt = n + 1
			}
		default:
			if m.Header == nil {
				m.Header = map[string]string{}
			}
			m.Header[strings.TrimPrefix(f.Field, escape)] = f.Value
		}
	}
	return m
}
