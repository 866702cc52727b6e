package operation

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A jsonReader makes nodes of JSON. It is not left to the YAML parser, which
// refuses tabs and knows escapes of its own.
type jsonReader struct {
	text string
	d    *json.Decoder
}

func readJSON(text string) (*node, *problem) {
	r := &jsonReader{text: text, d: json.NewDecoder(strings.NewReader(text))}
	r.d.UseNumber()
	if strings.TrimSpace(text) == "" {
		return nil, problemAt(1, 1, "the file is empty", `write {"operations": […]}`)
	}
	n, bad := r.value()
	if bad != nil {
		return nil, bad
	}
	at := r.next()
	if _, err := r.d.Token(); !errors.Is(err, io.EOF) {
		return nil, problemAt(at.Line, at.Column, "something follows the end of the migration", "take it out")
	}
	return n, nil
}

// next is where the next token begins.
func (r *jsonReader) next() Place {
	at := int(r.d.InputOffset())
	for at < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[at]) >= 0 {
		at++
	}
	return r.place(at)
}

func (r *jsonReader) place(offset int) Place {
	before := r.text[:max(0, min(offset, len(r.text)))]
	line := strings.LastIndexByte(before, '\n') + 1
	return Place{1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[line:])}
}

// token reads one, and tells where it begins.
func (r *jsonReader) token() (json.Token, Place, *problem) {
	at := r.next()
	t, err := r.d.Token()
	if err == nil {
		return t, at, nil
	}
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		p := r.place(int(syntax.Offset) - 1)
		return nil, at, problemAt(p.Line, p.Column, "this is not JSON: "+syntax.Error(), "check commas, quotes and brackets")
	default: // the text ends too early
		p := r.place(len(r.text))
		return nil, at, problemAt(p.Line, p.Column, "the file ends in the middle of a value", "check that every bracket is closed")
	}
}

func (r *jsonReader) value() (*node, *problem) {
	t, at, bad := r.token()
	if bad != nil {
		return nil, bad
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return r.list(at)
		}
		return r.object(at)
	case string:
		return &node{Place: at, kind: text, text: t}, nil
	case json.Number:
		return &node{Place: at, kind: number, text: t.String()}, nil
	case bool:
		return &node{Place: at, kind: boolean, text: strconv.FormatBool(t)}, nil
	}
	return &node{Place: at, kind: null}, nil
}

func (r *jsonReader) list(at Place) (*node, *problem) {
	out := &node{Place: at, kind: sequence}
	for r.d.More() {
		item, bad := r.value()
		if bad != nil {
			return nil, bad
		}
		out.items = append(out.items, item)
	}
	_, _, bad := r.token()
	return out, bad
}

func (r *jsonReader) object(at Place) (*node, *problem) {
	out := &node{Place: at, kind: mapping}
	for r.d.More() {
		key, bad := r.value()
		if bad != nil {
			return nil, bad
		}
		value, bad := r.value()
		if bad != nil {
			return nil, bad
		}
		if bad := out.put(key, value); bad != nil {
			return nil, bad
		}
	}
	_, _, bad := r.token()
	return out, bad
}
