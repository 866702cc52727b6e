package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds on what is handed to the YAML parser. It recurses on nesting and is
// quadratic in the keys of one section, so hostile files are stopped before it.
const (
	maxBytes  = 4 << 20
	maxTokens = 250_000
	maxFlow   = 32     // nested [ and {
	maxIndent = 200    // columns
	maxKeys   = 25_000 // at one column
)

const byteOrderMark = "\ufeff"

// readTree turns the bytes of a file into its one top-level section.
// Several problems are several keys that stand twice; then the tree is there too.
func readTree(data []byte) (*node, []*problem) {
	text, bad := cleanText(data)
	if bad != nil {
		return nil, []*problem{bad}
	}
	file, bad := parseYAML(text)
	if bad != nil {
		return nil, []*problem{bad}
	}
	body, bad := onlyDocument(file)
	if bad != nil {
		return nil, []*problem{bad}
	}
	b := &builder{anchors: map[string]*node{}}
	root, err := b.build(body, &token.Position{Line: 1, Column: 1})
	if err != nil {
		return nil, []*problem{asProblem(err)}
	}
	if root.kind != mapping {
		return nil, []*problem{{root.line, root.col, "the file holds " + root.found() + " where keys are wanted", "start with service: NAME"}}
	}
	return root, b.repeats
}

// cleanText checks size and encoding, and masks variables.
func cleanText(data []byte) (string, *problem) {
	if len(data) > maxBytes {
		return "", &problem{1, 1, fmt.Sprintf("the file is larger than %d MiB", maxBytes>>20), "is this the right file?"}
	}
	text := strings.TrimPrefix(string(data), byteOrderMark)
	line, col := 1, 1
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)) {
			return "", &problem{line, col, "this is not UTF-8 text", "save the file as UTF-8"}
		}
		if r == 0 || (r >= maskFirst && r <= maskLast) {
			return "", &problem{line, col, fmt.Sprintf("the character U+%04X cannot be part of a text file", r), "take it out"}
		}
		if col++; r == '\n' {
			line, col = line+1, 1
		}
	}
	return mask(text), nil
}

// parseYAML parses text whose bounds have been checked. The parser is code of
// others that meets hostile input: a panic in it is a refusal, no crash.
func parseYAML(text string) (file *ast.File, bad *problem) {
	defer func() {
		if recover() != nil {
			file, bad = nil, &problem{1, 1, "this is not YAML that can be read", "check brackets, quotes and indentation"}
		}
	}()
	tokens := lexer.Tokenize(text)
	if bad := checkTokens(tokens); bad != nil {
		return nil, bad
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // we tell duplicates with both places
	if err != nil {
		return nil, asProblem(err)
	}
	return file, nil
}

// checkTokens holds a file to the bounds, and refuses what the parser would
// silently drop (a closing bracket too many) or what nobody needs here.
func checkTokens(tokens token.Tokens) *problem {
	if len(tokens) > maxTokens {
		return &problem{1, 1, "the file holds more than a segue.yaml can", "split it"}
	}
	flow, keys := 0, map[int]int{}
	for _, tk := range tokens {
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.MappingKeyType:
			return at(tk, "a key after ? has no meaning here", "write key: value")
		case token.DirectiveType:
			return at(tk, "a line that starts with % has no meaning here", "take it out, or put quotes around the text")
		case token.MappingValueType:
			if tk.Prev != nil {
				keys[tk.Prev.Position.Column]++
			}
		}
		if bad := checkPlace(tk, flow, keys); bad != nil {
			return bad
		}
	}
	return nil
}

func checkPlace(tk *token.Token, flow int, keys map[int]int) *problem {
	starts := tk.Prev == nil || tk.Prev.Position.Line != tk.Position.Line || tk.Type == token.SequenceEntryType
	switch {
	case flow < 0:
		return at(tk, "a closing "+tk.Value+" that nothing opened", "take it out, or put quotes around the text")
	case flow > maxFlow:
		return at(tk, fmt.Sprintf("more than %d brackets inside one another", maxFlow), "")
	case starts && flow == 0 && tk.Position.Column > maxIndent:
		return at(tk, fmt.Sprintf("indented by more than %d columns", maxIndent), "")
	case tk.Type == token.MappingValueType && tk.Prev != nil && keys[tk.Prev.Position.Column] > maxKeys:
		return at(tk, "the file holds more than a segue.yaml can", "split it")
	}
	return nil
}

func onlyDocument(file *ast.File) (ast.Node, *problem) {
	var body ast.Node
	for i, doc := range file.Docs {
		if i > 0 && doc.Start != nil {
			return nil, at(doc.Start, "a second document starts here", "several services go under services: in one document")
		}
		if i > 0 && doc.Body != nil {
			return nil, at(doc.Body.GetToken(), "a second document starts here", "several services go under services: in one document")
		}
		if i == 0 {
			body = doc.Body
		}
	}
	if body == nil {
		return nil, &problem{1, 1, "the file is empty", "it needs at least a service name and a release with a command"}
	}
	return body, nil
}

// asProblem gives an error of the parser its place.
func asProblem(err error) *problem {
	var own *problem
	if errors.As(err, &own) {
		return own
	}
	var syntax *yaml.SyntaxError
	if !errors.As(err, &syntax) || syntax.Token == nil || syntax.Token.Position == nil {
		return &problem{1, 1, "this is not YAML that can be read", "check brackets, quotes and indentation"}
	}
	line, col := place(syntax)
	what, mend := explain(syntax.Message)
	return &problem{line, col, what, mend}
}

// place is where a syntax error really is. When a line is indented too far, the
// parser takes it as the rest of the value above and reports the line where
// that value starts, one early or more; when it trips over a tab, it reports
// column 1. Both are told by the token's own text.
func place(syntax *yaml.SyntaxError) (line, col int) {
	tk := syntax.Token
	line, col = tk.Position.Line, tk.Position.Column
	if strings.HasPrefix(syntax.Message, "mapping value is not allowed") {
		text := strings.Trim(tk.Origin, "\r\n")
		if cut := strings.LastIndexByte(text, '\n'); cut >= 0 {
			last := text[cut+1:]
			line += strings.Count(text, "\n")
			col = 1 + len(last) - len(strings.TrimLeft(last, " \t"))
		}
	}
	return max(line, 1), max(col, 1)
}

var tabMessage = regexp.MustCompile(`^found (a )?(tab )?character.*'?\t?'?.*cannot`)

// explain puts the parser's commonest messages in words that tell the mend.
func explain(message string) (what, mend string) {
	message = strings.Map(printable, strings.ToValidUTF8(unmask(message), "?"))
	switch {
	case strings.HasPrefix(message, "mapping value is not allowed"):
		return "a key cannot start here", "check the indentation; text that holds \": \" needs quotes"
	case tabMessage.MatchString(message):
		return "a tab cannot indent YAML", "use spaces"
	case strings.HasPrefix(message, "non-map value"), strings.HasPrefix(message, "unexpected key name"):
		return "this line is no key: value", "add a colon and a value"
	case strings.HasPrefix(message, "found an invalid key"):
		return "a key must be a plain word", "write key: value"
	case strings.HasPrefix(message, "could not find end character"):
		return "the quote that opens here is never closed", "close it"
	case strings.Contains(message, "must be specified"):
		return message, "close the bracket, or put quotes around text that holds brackets or commas"
	case strings.HasSuffix(message, "is a reserved character"):
		return message + " in YAML", "put quotes around the text"
	case strings.Contains(message, "is not allowed in this context"):
		return message, "check the indentation"
	}
	return message, ""
}
