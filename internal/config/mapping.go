package config

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// mapping converts the keys of a section, merges included: a key that is
// written out wins over a merged one.
func (b *builder) mapping(values []*ast.MappingValueNode, near *token.Position) (*node, error) {
	out := &node{kind: mapping, line: near.Line, col: near.Column, size: 1}
	if len(values) > 0 {
		if tk := values[0].Key.GetToken(); tk != nil {
			out.line, out.col = tk.Position.Line, tk.Position.Column
		}
	}
	index := map[string]int{} // of key in out.entries
	for _, v := range values {
		if err := b.pair(out, index, v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (b *builder) pair(out *node, index map[string]int, v *ast.MappingValueNode) error {
	tk := v.Key.GetToken()
	value, err := b.build(v.Value, tk.Position)
	if err != nil {
		return err
	}
	if _, ok := v.Key.(*ast.MergeKeyNode); ok {
		return b.merge(out, index, value)
	}
	key, err := b.key(v.Key, tk)
	if err != nil {
		return err
	}
	if i, seen := index[key.text]; seen && !out.entries[i].merged {
		first := out.entries[i].key
		b.repeats = append(b.repeats, &problem{key.line, key.col,
			fmt.Sprintf("the key %s stands here twice, first in line %d", clip(key.text), first.line), "keep one of them"})
		return nil
	}
	return out.put(index, entry{key: key, value: value})
}

func (b *builder) key(n ast.MapKeyNode, tk *token.Token) (*node, error) {
	plain, ok := n.(ast.ScalarNode)
	if !ok {
		return nil, at(tk, "a key must be a plain word", "write key: value")
	}
	return b.scalar(plain)
}

// put adds an entry, or replaces the merged one of that name.
func (n *node) put(index map[string]int, e entry) error {
	if i, seen := index[e.key.text]; seen {
		n.entries[i] = e
	} else {
		index[e.key.text] = len(n.entries)
		n.entries = append(n.entries, e)
	}
	return n.grow(e.value.size + 1)
}

// merge takes in the keys of "<<: *base" or "<<: [*a, *b]", of which the first
// wins.
func (b *builder) merge(out *node, index map[string]int, from *node) error {
	switch from.kind {
	case mapping:
		for _, e := range from.entries {
			if _, seen := index[e.key.text]; seen {
				continue
			}
			e.merged = true
			if err := out.put(index, e); err != nil {
				return err
			}
		}
		return nil
	case list:
		for _, item := range from.items {
			if item.kind != mapping {
				return &problem{item.line, item.col, "<< can only take in sections", "name an anchor of a section: <<: *base"}
			}
			if err := b.merge(out, index, item); err != nil {
				return err
			}
		}
		return nil
	}
	return &problem{from.line, from.col, "<< can only take in sections", "name an anchor of a section: <<: *base"}
}
