package mongo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The operations of MongoDB's wire protocol that drivers still use.
const (
	opReply = 1
	opQuery = 2004
	opMsg   = 2013
)

const maxMessage = 48 << 20

// A message is one of the wire protocol: what it is, and what follows its header.
type message struct {
	id   int32
	op   int32
	body []byte
}

func readMessage(r io.Reader) (message, error) {
	var h [16]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return message{}, err
	}
	n := int32(binary.LittleEndian.Uint32(h[:]))
	if n < 16 || n > maxMessage {
		return message{}, fmt.Errorf("a message of %d bytes", n)
	}
	m := message{id: int32(binary.LittleEndian.Uint32(h[4:])), op: int32(binary.LittleEndian.Uint32(h[12:])), body: make([]byte, n-16)}
	_, err := io.ReadFull(r, m.body)
	return m, err
}

// A request is a command; unanswered is one whose sender waits for no reply.
type request struct {
	command    bson.D
	unanswered bool
}

// The flags of an OP_MSG.
const (
	hasChecksum = 1 << 0
	moreToCome  = 1 << 1
)

var errShort = errors.New("the message ends too soon")

// parse reads an OP_MSG: sections of one command, and of documents that belong to a
// field of it.
func (m message) parse() (request, error) {
	if len(m.body) < 4 {
		return request{}, errShort
	}
	flags, rest := binary.LittleEndian.Uint32(m.body), m.body[4:]
	if flags&hasChecksum != 0 {
		rest = rest[:max(0, len(rest)-4)]
	}
	r := request{unanswered: flags&moreToCome != 0}
	for len(rest) > 0 {
		kind := rest[0]
		n, err := length(rest[1:])
		if err != nil {
			return r, err
		}
		section := rest[1 : 1+n]
		rest = rest[1+n:]
		if kind == 0 {
			var d bson.D
			if err := bson.Unmarshal(section, &d); err != nil {
				return r, err
			}
			r.command = append(d, r.command...)
			continue
		}
		field, err := sequence(section)
		if err != nil {
			return r, err
		}
		r.command = append(r.command, field)
	}
	return r, nil
}

// sequence reads documents that stand apart from their command.
func sequence(section []byte) (bson.E, error) {
	name, rest, ok := bytes.Cut(section[4:], []byte{0})
	if !ok {
		return bson.E{}, errShort
	}
	all := bson.A{}
	for len(rest) > 0 {
		n, err := length(rest)
		if err != nil {
			return bson.E{}, err
		}
		var d bson.D
		if err := bson.Unmarshal(rest[:n], &d); err != nil {
			return bson.E{}, err
		}
		all, rest = append(all, d), rest[n:]
	}
	return bson.E{Key: string(name), Value: all}, nil
}

// length is how many bytes belong to what begins with its own length.
func length(b []byte) (int, error) {
	if len(b) < 4 {
		return 0, errShort
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	if n < 4 || n > len(b) {
		return 0, errShort
	}
	return n, nil
}

// parseQuery reads the command of an OP_QUERY.
func (m message) parseQuery() (bson.D, error) {
	if len(m.body) < 4 {
		return nil, errShort
	}
	_, rest, ok := bytes.Cut(m.body[4:], []byte{0})
	if !ok || len(rest) < 8 {
		return nil, errShort
	}
	var d bson.D
	err := bson.Unmarshal(rest[8:], &d)
	return d, err
}

func (m message) reply(d bson.D) ([]byte, error) {
	return m.frame(opMsg, make([]byte, 5), d) // no flags, and a section of kind 0
}

func (m message) replyQuery(d bson.D) ([]byte, error) {
	head := make([]byte, 20) // flags, cursor, the first document's number
	binary.LittleEndian.PutUint32(head[16:], 1)
	return m.frame(opReply, head, d)
}

func (m message) frame(op int32, head []byte, d bson.D) ([]byte, error) {
	doc, err := bson.Marshal(d)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 16, 16+len(head)+len(doc))
	binary.LittleEndian.PutUint32(b[0:], uint32(cap(b)))
	binary.LittleEndian.PutUint32(b[8:], uint32(m.id))
	binary.LittleEndian.PutUint32(b[12:], uint32(op))
	return append(append(b, head...), doc...), nil
}
