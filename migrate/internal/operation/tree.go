package operation

import "fmt"

// A kind is what a value of a file is.
type kind int

const (
	text kind = iota
	number
	boolean
	null
	sequence
	mapping
)

func (k kind) String() string {
	return [...]string{"text", "a number", "true or false", "nothing", "a list", "a section with keys"}[k]
}

// A node is a value of a file, with its place.
type node struct {
	Place
	kind    kind
	text    string // of all but sequences and mappings, without quotes and escapes
	items   []*node
	entries []entry
}

// An entry is one key of a mapping.
type entry struct{ key, value *node }

// get finds a key; nil, nil when there is none.
func (n *node) get(key string) (*node, *node) {
	for _, e := range n.entries {
		if e.key.text == key {
			return e.key, e.value
		}
	}
	return nil, nil
}

// put adds a key, which must not stand there yet.
func (n *node) put(key, value *node) *problem {
	if first, _ := n.get(key.text); first != nil {
		return problemAt(key.Line, key.Column,
			fmt.Sprintf("the key %s stands here twice, first in line %d", clip(key.text), first.Line), "keep one of them")
	}
	n.entries = append(n.entries, entry{key, value})
	return nil
}
