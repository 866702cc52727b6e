package operation

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

func readYAML(source string) (*node, *problem) {
	file, bad := parseYAML(source)
	if bad != nil {
		return nil, bad
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			at := doc.Body.GetToken().Position
			return nil, problemAt(at.Line, at.Column, "a second document starts here", "a file is one migration")
		}
		body = doc.Body
	}
	if body == nil {
		return nil, problemAt(1, 1, "the file is empty", "it needs operations:")
	}
	return yamlNode(body, Place{1, 1})
}

// parseYAML takes a panic in the parser, which is code of others, as a refusal.
func parseYAML(source string) (file *ast.File, bad *problem) {
	defer func() {
		if recover() != nil {
			file, bad = nil, problemAt(1, 1, "this is not YAML that can be read", "check brackets, quotes and indentation")
		}
	}()
	file, err := parser.ParseBytes([]byte(source), 0, parser.AllowDuplicateMapKey()) // we tell duplicates with both places
	if err != nil {
		return nil, syntaxProblem(err)
	}
	return file, nil
}

func syntaxProblem(err error) *problem {
	var syntax *yaml.SyntaxError
	if !errors.As(err, &syntax) || syntax.Token == nil || syntax.Token.Position == nil {
		return problemAt(1, 1, "this is not YAML that can be read", "check brackets, quotes and indentation")
	}
	tk := syntax.Token
	line, column := tk.Position.Line, tk.Position.Column
	// A line that is indented too far counts as the rest of the value above it,
	// whose place the parser tells.
	if strings.HasPrefix(syntax.Message, "mapping value is not allowed") {
		lines := strings.Split(strings.Trim(tk.Origin, "\r\n"), "\n")
		if last := lines[len(lines)-1]; len(lines) > 1 {
			line += len(lines) - 1
			column = 1 + len(last) - len(strings.TrimLeft(last, " \t"))
		}
	}
	return problemAt(line, column, "this is not YAML: "+clip(syntax.Message), "check indentation, quotes and brackets")
}

// yamlNode converts a piece of the syntax tree. near is the place of what has
// none of its own: a value that is not there.
func yamlNode(n ast.Node, near Place) (*node, *problem) {
	switch n := n.(type) {
	case nil:
		return &node{Place: near, kind: null}, nil
	case *ast.MappingNode:
		return yamlMapping(n.Values, near)
	case *ast.MappingValueNode:
		return yamlMapping([]*ast.MappingValueNode{n}, near)
	case *ast.SequenceNode:
		return yamlSequence(n)
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		at := placeOf(n.GetToken())
		return nil, problemAt(at.Line, at.Column, "anchors, aliases and tags have no meaning here",
			"write it out, and put quotes around text that begins with &, * or !")
	}
	return yamlScalar(n, near)
}

func placeOf(tk *token.Token) Place {
	if tk == nil || tk.Position == nil {
		return Place{1, 1}
	}
	return Place{tk.Position.Line, tk.Position.Column}
}

func yamlScalar(n ast.Node, near Place) (*node, *problem) {
	at := placeOf(n.GetToken())
	switch n := n.(type) {
	case *ast.LiteralNode:
		return &node{Place: at, kind: text, text: n.Value.Value}, nil
	case *ast.StringNode:
		return &node{Place: at, kind: text, text: n.Value}, nil
	case *ast.BoolNode:
		return &node{Place: at, kind: boolean, text: strings.ToLower(n.Token.Value)}, nil
	case *ast.NullNode:
		if n.Token.Type == token.ImplicitNullType {
			at = near
		}
		return &node{Place: at, kind: null}, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return &node{Place: at, kind: number, text: strings.TrimSpace(n.GetToken().Value)}, nil
	}
	return nil, problemAt(at.Line, at.Column, "this is not something a migration can hold", "write key: value, or a list")
}

func yamlSequence(n *ast.SequenceNode) (*node, *problem) {
	out := &node{Place: placeOf(n.Start), kind: sequence}
	for _, v := range n.Values {
		item, bad := yamlNode(v, out.Place)
		if bad != nil {
			return nil, bad
		}
		out.items = append(out.items, item)
	}
	return out, nil
}

func yamlMapping(values []*ast.MappingValueNode, near Place) (*node, *problem) {
	out := &node{Place: near, kind: mapping}
	for i, v := range values {
		at := placeOf(v.Key.GetToken())
		if i == 0 {
			out.Place = at
		}
		if _, merge := v.Key.(*ast.MergeKeyNode); merge {
			return nil, problemAt(at.Line, at.Column, "merging with << has no meaning here", "write it out")
		}
		key, bad := yamlNode(v.Key, at)
		if bad != nil {
			return nil, bad
		}
		value, bad := yamlNode(v.Value, at)
		if bad != nil {
			return nil, bad
		}
		if bad := out.put(key, value); bad != nil {
			return nil, bad
		}
	}
	return out, nil
}
