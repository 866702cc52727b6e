package lint

import (
	"bytes"
	"encoding/json"
	"sort"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// isNothing tells an empty value, or null, by any of its names.
func isNothing(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// endOf is the last line of the value that belongs to a key, or of an item that
// belongs to a list: begin is the key, or the list.
func (o *Object) endOf(begin, value *yaml.Node) int {
	leaf := value
	for len(leaf.Content) > 0 {
		leaf = leaf.Content[len(leaf.Content)-1]
	}
	long := leaf.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	end := max(begin.Line, lastLine(value))
	if begin.Kind == yaml.SequenceNode {
		end = lastLine(value)
	}
	for n := end + 1; n <= o.File.Lines(); n++ {
		line := o.File.bytes(n)
		text := bytes.TrimLeft(line, " ")
		if len(bytes.TrimSpace(text)) == 0 || text[0] == '#' && !long {
			continue
		}
		if at := indentation(line); at < begin.Column && (at < begin.Column-1 || text[0] != ']' && text[0] != '}') {
			break
		}
		end = n
	}
	return end
}

// block writes a value in lines, as the file is laid out.
func (o *Object) block(v *yaml.Node, indent int) (string, bool) {
	step, compact := o.layout()
	data, err := yaml.Dump(plain(v), yaml.WithIndent(step), yaml.WithCompactSeqIndent(compact), yaml.WithLineWidth(-1))
	if err != nil {
		return "", false
	}
	var b strings.Builder
	for line := range strings.Lines(string(data)) {
		b.WriteString(strings.Repeat(" ", indent) + strings.TrimRight(line, "\n") + o.File.lineEnd())
	}
	return b.String(), true
}

// plain is a copy in block style.
func plain(n *yaml.Node) *yaml.Node {
	c := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Style: n.Style &^ yaml.FlowStyle}
	for _, x := range n.Content {
		c.Content = append(c.Content, plain(x))
	}
	return c
}

// layout is how the document indents, and whether its lists stand below their
// keys without indenting: as the first that is found.
func (o *Object) layout() (step int, compact bool) {
	step, compact = 2, true
	foundStep, foundList := false, false
	var visit func(n *yaml.Node)
	visit = func(n *yaml.Node) {
		for i := 1; i < len(n.Content) && n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0; i += 2 {
			k, v := n.Content[i-1], n.Content[i]
			if v.Style&yaml.FlowStyle != 0 || v.Line == k.Line {
				continue
			}
			if v.Kind == yaml.MappingNode && !foundStep {
				step, foundStep = min(max(v.Column-k.Column, 2), 9), true
			}
			if v.Kind == yaml.SequenceNode && !foundList {
				compact, foundList = v.Column == k.Column, true
			}
		}
		for _, c := range n.Content {
			if !foundStep || !foundList {
				visit(c)
			}
		}
	}
	visit(o.root)
	return step, compact || !foundList
}

// inline writes a value on one line, as YAML or as JSON.
func (o *Object) inline(v *yaml.Node) (string, bool) {
	if o.isJSON() {
		w := jsonWriter{}
		var b bytes.Buffer
		if w.value(v, maxDepth) != nil || json.Indent(&b, w.buf, "", "") != nil {
			return "", false
		}
		return strings.NewReplacer("{\n", "{", "[\n", "[", "\n}", "}", "\n]", "]", ",\n", ", ").Replace(b.String()), true
	}
	data, err := yaml.Dump(flow(v), yaml.WithLineWidth(-1))
	text := strings.TrimRight(string(data), "\n")
	return text, err == nil && !strings.Contains(text, "\n")
}

func flow(n *yaml.Node) *yaml.Node {
	c := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Style: n.Style}
	if n.Kind != yaml.ScalarNode {
		c.Style |= yaml.FlowStyle
	}
	for _, x := range n.Content {
		c.Content = append(c.Content, flow(x))
	}
	return c
}

// isJSON tells whether the document is, so that it stays that.
func (o *Object) isJSON() bool {
	return o.root.Style&yaml.FlowStyle != 0 && len(o.root.Content) > 0 && o.root.Content[0].Style&yaml.DoubleQuotedStyle != 0
}

// tokenEnd is where a value ends that is written on one line.
func (f *File) tokenEnd(n *yaml.Node, start int) (int, bool) {
	rest := f.Data[start:]
	if i := bytes.IndexByte(rest, '\n'); i >= 0 && n.Style&yaml.FlowStyle == 0 {
		rest = rest[:i]
	}
	switch {
	case len(rest) == 0:
		return 0, false
	case n.Style&yaml.FlowStyle != 0:
		return f.flowEnd(start)
	case rest[0] == '"' || rest[0] == '\'':
		end, ok := quoteEnd(rest)
		return start + end, ok
	case bytes.HasPrefix(rest, []byte(n.Value)) && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0:
		return start + len(n.Value), true
	}
	return 0, false
}

// quoteEnd is behind the quote that ends the text at the beginning of s.
func quoteEnd(s []byte) (int, bool) {
	for i := 1; i < len(s); i++ {
		switch {
		case s[0] == '"' && s[i] == '\\':
			i++
		case s[i] == s[0] && s[0] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
		case s[i] == s[0]:
			return i + 1, true
		}
	}
	return 0, false
}

// flowEnd is behind the bracket that closes the one at start. What holds a
// comment is left alone.
func (f *File) flowEnd(start int) (int, bool) {
	depth, before := 0, byte('{')
	for i := start; i < len(f.Data); i++ {
		c := f.Data[i]
		switch {
		case (c == '"' || c == '\'') && strings.IndexByte("{[,:", before) >= 0:
			n, ok := quoteEnd(f.Data[i:])
			if !ok {
				return 0, false
			}
			i += n - 1
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1, true
			}
		case c == '#' && i > 0 && (f.Data[i-1] == ' ' || f.Data[i-1] == '\t' || f.Data[i-1] == '\n'):
			return 0, false
		}
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			before = c
		}
	}
	return 0, false
}

// position is the line and the column of an offset.
func (f *File) position(at int) (line, column int) {
	line = sort.SearchInts(f.starts, at+1)
	if line == 0 {
		return 1, 1
	}
	return line, 1 + utf8.RuneCount(f.Data[f.starts[line-1]:at])
}
