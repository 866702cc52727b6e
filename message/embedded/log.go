package embedded

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/store"
)

// The keys. A name has no slash.
const (
	logPrefix    = "message/log/"    // TOPIC/NUMBER: a chunk; TOPIC/wake/GROUP: nothing
	topicPrefix  = "message/topic/"  // TOPIC: bounds
	trimPrefix   = "message/trim/"   // TOPIC: there while nobody need remove anything
	groupPrefix  = "message/group/"  // TOPIC/GROUP: a state
	memberPrefix = "message/member/" // TOPIC/GROUP/ID: there while the member lives
	readerPrefix = "message/reader/" // TOPIC/ID: the chunk that a subscription to all reads next
)

func (t *topic) chunkKey(number int64) string {
	return fmt.Sprintf("%s%s/%016x", logPrefix, t.name, number)
}

func (t *topic) wakeKey(group string) string { return logPrefix + t.name + "/wake/" + group }

// numberOf is the number of a chunk's key, 0 if it is another's.
func (t *topic) numberOf(key string) int64 {
	n, err := strconv.ParseInt(strings.TrimPrefix(key, logPrefix+t.name+"/"), 16, 64)
	if err != nil {
		return 0
	}
	return n
}

// A chunk is what was published together. Its ID tells who has written it from who
// was quicker.
type chunk struct {
	id       string
	messages []message.Message
}

// envelope is what is written of a message beside its body.
type envelope struct {
	ID     string            `json:"id"`
	Key    string            `json:"key,omitempty"`
	Header map[string]string `json:"header,omitempty"`
	Time   time.Time         `json:"time"`
}

// chunkVersion begins a chunk. Then come, each after its length, the ID, and the
// envelope and body of every message.
const chunkVersion = 1

func (c chunk) encode() ([]byte, error) {
	b := appendBytes([]byte{chunkVersion}, []byte(c.id))
	for _, m := range c.messages {
		e, err := json.Marshal(envelope{m.ID, m.Key, m.Header, m.Time})
		if err != nil {
			return nil, err
		}
		b = appendBytes(appendBytes(b, e), m.Body)
	}
	return b, nil
}

func appendBytes(b, s []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(s))), s...) }

func (t *topic) decode(value []byte) (chunk, error) {
	if len(value) == 0 || value[0] != chunkVersion {
		return chunk{}, errors.New("a newer release has written it: use the newer package here, too")
	}
	parts, err := split(value[1:])
	if err != nil {
		return chunk{}, err
	}
	c := chunk{id: string(parts[0])}
	for n := 1; n+1 < len(parts); n += 2 {
		var e envelope
		if err := json.Unmarshal(parts[n], &e); err != nil {
			return chunk{}, err
		}
		c.messages = append(c.messages, message.Message{ID: e.ID, Topic: t.name, Key: e.Key, Header: e.Header, Time: e.Time, Body: parts[n+1]})
	}
	return c, nil
}

func split(b []byte) (parts [][]byte, err error) {
	for len(b) > 0 {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			return nil, errors.New("it is cut off")
		}
		end := used + int(n)
		parts = append(parts, b[used:end:end])
		b = b[end:]
	}
	if len(parts)%2 != 1 {
		return nil, errors.New("it is no chunk")
	}
	return parts, nil
}

// chunk reads one. There is none with that number: ok is false.
func (t *topic) chunk(ctx context.Context, number int64) (c chunk, ok bool, err error) {
	e, err := t.store.Get(ctx, t.chunkKey(number))
	if errors.Is(err, store.ErrNotFound) {
		return chunk{}, false, nil
	}
	if err != nil {
		return chunk{}, false, err
	}
	if c, err = t.decode(e.Value); err != nil {
		return chunk{}, false, fmt.Errorf("the chunk %s: %w", e.Key, err)
	}
	return c, true, nil
}

// bounds are what is removed of the log, and when: chunks below Gone are removed,
// those below Floor may be at any time, those below Limit are done with and may be
// after the next round. There was or will be a chunk with each of the numbers.
type bounds struct {
	Gone  int64 `json:"gone"`
	Floor int64 `json:"floor"`
	Limit int64 `json:"limit"`
}

// firstChunk is the number of a topic's first.
const firstChunk = 1

func (t *topic) bounds(ctx context.Context) (bounds, store.Revision, error) {
	b := bounds{firstChunk, firstChunk, firstChunk}
	e, err := t.store.Get(ctx, topicPrefix+t.name)
	if errors.Is(err, store.ErrNotFound) {
		return b, store.Absent, nil
	}
	if err == nil {
		err = json.Unmarshal(e.Value, &b)
	}
	return b, e.Revision, err
}

// next finds the number that the next chunk will get, which is from or more. All
// numbers from from on are there up to it: it looks at ever farther ones, and then
// between.
func (t *topic) next(ctx context.Context, from int64) (int64, error) {
	there := func(n int64) (bool, error) {
		_, err := t.store.Get(ctx, t.chunkKey(n))
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
	low, step := from, int64(1) // all below low are there
	high := from
	for {
		ok, err := there(high)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		low, high, step = high+1, high+step, 2*step
	}
	for low < high { // high is not there
		middle := low + (high-low)/2
		ok, err := there(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, nil
}

// end is where the log ends: the number of the next chunk, or a greater one's if
// some are being published.
func (t *topic) end(ctx context.Context) (int64, error) {
	for {
		b, _, err := t.bounds(ctx)
		if err != nil {
			return 0, err
		}
		n, err := t.next(ctx, b.Limit)
		if err != nil {
			return 0, err
		}
		// Where chunks were removed while we looked for them, we have seen an end that
		// is none.
		if b, _, err = t.bounds(ctx); err != nil || b.Floor <= n {
			return n, err
		}
	}
}
