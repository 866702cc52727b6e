package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

type kind int

const (
	scalar kind = iota
	list
	mapping
)

func (k kind) String() string { return [...]string{"a single value", "a list", "a section"}[k] }

// A node is a piece of YAML with its position. Aliases and merge keys are
// resolved; nodes behind them are shared, not copied.
type node struct {
	kind      kind
	line, col int
	text      string // of a scalar, as it stands in the file, quotes and escapes taken off
	plain     bool   // an unquoted scalar, which may mean a number, a boolean or null
	entries   []entry
	items     []*node
	size      int // nodes below and itself, each alias counted in full
}

// An entry is one key of a mapping.
type entry struct {
	key, value *node
	merged     bool // came in by "<<"
}

// get finds a key of a mapping; nil, nil when there is none.
func (n *node) get(key string) (*node, *node) {
	if n == nil {
		return nil, nil
	}
	for _, e := range n.entries {
		if e.key.text == key {
			return e.key, e.value
		}
	}
	return nil, nil
}

// YAML 1.2 core schema: which plain scalars are not text.
var (
	nullText   = regexp.MustCompile(`^(?:~|null|Null|NULL|)$`)
	boolText   = regexp.MustCompile(`^(?:true|True|TRUE|false|False|FALSE)$`)
	numberText = regexp.MustCompile(`^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
)

func (n *node) isNull() bool   { return n.kind == scalar && n.plain && nullText.MatchString(n.text) }
func (n *node) isBool() bool   { return n.kind == scalar && n.plain && boolText.MatchString(n.text) }
func (n *node) isNumber() bool { return n.kind == scalar && n.plain && numberText.MatchString(n.text) }

// found tells people what stands there. A value is not repeated: it may be a
// secret in the wrong place.
func (n *node) found() string {
	switch {
	case n.isNull():
		return "nothing"
	case n.isBool():
		return "true or false"
	case n.isNumber():
		return "a number"
	case n.kind == scalar:
		return "text"
	}
	return n.kind.String()
}

// A problem ends the reading of a file: nothing behind it can be trusted.
type problem struct {
	line, col  int
	what, mend string
}

func (p *problem) Error() string { return p.what }

// maxNodes bounds what aliases may blow a file up to.
const maxNodes = 500_000

// A builder turns goccy's syntax tree into nodes.
type builder struct {
	anchors map[string]*node
	repeats []*problem // keys that stand twice; reading goes on with the first
}

// build converts one syntax node. near is the position to use where the syntax
// node has none of its own (an absent value).
func (b *builder) build(n ast.Node, near *token.Position) (*node, error) {
	if n == nil {
		return &node{line: near.Line, col: near.Column, plain: true, size: 1}, nil
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		if n.IsFlowStyle {
			near = n.Start.Position
		}
		return b.mapping(n.Values, near)
	case *ast.MappingValueNode:
		return b.mapping([]*ast.MappingValueNode{n}, near)
	case *ast.SequenceNode:
		return b.sequence(n)
	case *ast.AnchorNode:
		return b.anchor(n, near)
	case *ast.AliasNode:
		return b.alias(n)
	case *ast.TagNode:
		return nil, at(n.Start, "a tag ("+clip(n.Start.Value)+") has no meaning here", "take it out; put quotes around what must be text")
	case *ast.NullNode:
		if n.Token.Value == "" || n.Token.Type == token.ImplicitNullType {
			return b.build(nil, near)
		}
	}
	return b.scalar(n)
}

func (b *builder) scalar(n ast.Node) (*node, error) {
	tk := n.GetToken()
	if tk == nil || tk.Position == nil {
		return nil, &problem{1, 1, "this is not YAML that segue can read", ""}
	}
	out := &node{line: tk.Position.Line, col: tk.Position.Column, text: unmask(tk.Value), size: 1}
	switch n := n.(type) {
	case *ast.LiteralNode:
		out.text = unmask(n.Value.Value)
	case *ast.StringNode:
		out.text = unmask(n.Value)
		out.plain = tk.Type != token.SingleQuoteType && tk.Type != token.DoubleQuoteType
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		out.plain = true
		out.text = strings.TrimSpace(out.text)
	default:
		return nil, at(tk, "this is not something a segue.yaml can hold", "write key: value, or a list")
	}
	return out, nil
}

func (b *builder) sequence(n *ast.SequenceNode) (*node, error) {
	out := &node{kind: list, line: n.Start.Position.Line, col: n.Start.Position.Column, size: 1}
	for _, v := range n.Values {
		item, err := b.build(v, n.Start.Position)
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, item)
		if err := out.grow(item.size); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// grow counts nodes below n, and stops an alias bomb before anything walks it.
func (n *node) grow(by int) error {
	if n.size += by; n.size > maxNodes {
		return &problem{n.line, n.col, fmt.Sprintf("aliases blow this up to more than %d values", maxNodes), "write it out, without aliases of aliases"}
	}
	return nil
}

func (b *builder) anchor(n *ast.AnchorNode, near *token.Position) (*node, error) {
	out, err := b.build(n.Value, near)
	if err != nil {
		return nil, err
	}
	// Known only from here on: an anchor that holds an alias of itself is told
	// as an unknown one.
	b.anchors[n.Name.GetToken().Value] = out
	return out, nil
}

func (b *builder) alias(n *ast.AliasNode) (*node, error) {
	tk := n.Value.GetToken()
	out := b.anchors[tk.Value]
	if out == nil {
		return nil, at(n.Start, "nothing above is marked &"+clip(tk.Value), "an alias needs its anchor before it; put quotes around text that starts with *")
	}
	return out, nil
}

func at(tk *token.Token, what, mend string) *problem {
	return &problem{tk.Position.Line, tk.Position.Column, what, mend}
}

// clip keeps text in messages short.
func clip(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strings.Map(printable, s)
}
