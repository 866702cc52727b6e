package lint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Bounds on what is handed to the YAML parser: a document of this size takes
// some hundred megabytes, and what is larger is no manifest.
const (
	maxFile     = 64 << 20  // bytes
	maxDocument = 16 << 20  // bytes
	maxMarks    = 3_000_000 // characters that can begin a node
	maxDepth    = 200       // nested, aliases followed
)

// A chunk is the lines of one document, or of several if they are parted by
// "..." alone.
type chunk struct {
	first int // line
	data  []byte
}

// chunks cuts a file at its lines "---", which cannot be part of anything else
// (YAML 1.2.2, section 9.1.2). One that is broken does not hide the others.
func chunks(f *File) []chunk {
	var found []chunk
	start, says := 1, false
	for n := 1; n <= f.Lines(); n++ {
		line := f.bytes(n)
		if says && isStart(line) {
			found = append(found, f.chunk(start, n))
			start, says = n, false
		}
		says = says || saysSomething(line)
	}
	if says {
		found = append(found, f.chunk(start, f.Lines()+1))
	}
	return found
}

func isStart(line []byte) bool {
	return bytes.HasPrefix(line, []byte("---")) && (len(line) == 3 || line[3] == ' ' || line[3] == '\t')
}

// saysSomething is false for comments, directives, and what parts documents.
func saysSomething(line []byte) bool {
	if isStart(line) {
		line = line[3:]
	}
	line = bytes.TrimSpace(line)
	return len(line) > 0 && line[0] != '#' && line[0] != '%' && string(line) != "..."
}

// documents parses a chunk. Lines count from the file's beginning.
func documents(c chunk) (docs []*yaml.Node, problem *Problem) {
	if problem := c.tooLarge(); problem != nil {
		return nil, problem
	}
	defer func() { // the parser is code of others that meets any input
		if recover() != nil {
			docs, problem = nil, &Problem{At: Place{Line: c.first, Column: 1}, What: "this is not YAML that can be read", Mend: "check brackets, quotes and indentation"}
		}
	}()
	places := c.places()
	d := yaml.NewDecoder(bytes.NewReader(withoutVersion(c.data)))
	for {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return docs, c.broken(err)
		}
		if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
			continue
		}
		if !shift(&doc, places, maxDepth) {
			return docs, &Problem{At: Place{Line: c.first, Column: 1}, What: fmt.Sprintf("more than %d levels inside one another", maxDepth)}
		}
		docs = append(docs, doc.Content[0])
	}
}

var version = Pattern(`^(?:[#\s].*\n|\n)*%YAML`)

// withoutVersion makes a comment of the directive %YAML 1.2, of which the
// parser takes most, but not the name.
func withoutVersion(data []byte) []byte {
	at := version().FindIndex(data)
	if at == nil {
		return data
	}
	data = bytes.Clone(data)
	data[at[1]-len("%YAML")] = '#'
	return data
}

func (c chunk) tooLarge() *Problem {
	at := Place{Line: c.first, Column: 1}
	if len(c.data) > maxDocument {
		return &Problem{At: at, What: fmt.Sprintf("the document is larger than %d MiB", maxDocument>>20), Mend: "is this the right file?"}
	}
	marks := 0
	for _, b := range c.data {
		switch b {
		case ',', ':', '-', '[', '{', '?', '\n':
			marks++
		}
	}
	if marks > maxMarks {
		return &Problem{At: at, What: "the document holds more values than a manifest can", Mend: "is this the right file?"}
	}
	return nil
}

// broken gives an error of the parser its place.
func (c chunk) broken(err error) *Problem {
	at := Place{Line: c.first, Column: 1}
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	var bad *yaml.LoadError
	if errors.As(err, &bad) {
		what = bad.Message
		if bad.Mark.Line > 0 {
			at.Line, at.Column = c.places()(bad.Mark.Line, max(bad.Mark.Column, 1))
		}
	}
	return &Problem{At: at, What: what, Mend: mendOf(what)}
}

// mendOf knows the parser's commonest messages.
func mendOf(message string) string {
	switch {
	case strings.Contains(message, "mapping values are not allowed"):
		return "check the indentation; text that holds \": \" needs quotes"
	case strings.Contains(message, "tab"), strings.Contains(message, "cannot start any token"):
		return "indent with spaces; text that begins with @, `, % or a tab needs quotes"
	case strings.Contains(message, "unexpected end of stream"):
		return "close the quote"
	case strings.Contains(message, "',' or"):
		return "close the bracket"
	case strings.Contains(message, "did not find expected"):
		return "check the indentation of this line and of those before it"
	case strings.Contains(message, "UTF-8"), strings.Contains(message, "control characters"):
		return "save the file as UTF-8 text"
	}
	return ""
}

// shift gives a tree its places in the file; false, if it is too deep.
func shift(n *yaml.Node, places func(line, column int) (int, int), depth int) bool {
	if depth == 0 {
		return false
	}
	n.Line, n.Column = places(n.Line, n.Column)
	for _, c := range n.Content {
		if !shift(c, places, depth-1) {
			return false
		}
	}
	return true
}

// places turns the parser's places into the file's. It counts lines that end
// as YAML 1.1 lets them end, by a carriage return alone or U+0085, U+2028 or
// U+2029, which nobody else calls a line.
func (c chunk) places() func(line, column int) (int, int) {
	if !hasOddBreaks(c.data) {
		return func(line, column int) (int, int) { return c.first - 1 + line, column }
	}
	starts := []int{0}
	for _, at := range breaks().FindAllIndex(c.data, -1) {
		starts = append(starts, at[1])
	}
	f := NewFile("", c.data)
	return func(line, column int) (int, int) {
		at := starts[min(max(line, 1), len(starts))-1]
		for ; column > 1 && at < len(c.data); column-- {
			_, n := utf8.DecodeRune(c.data[at:])
			at += n
		}
		line, column = f.position(at)
		return c.first - 1 + line, column
	}
}

var breaks = Pattern("\r\n|[\r\n\u0085\u2028\u2029]")

func hasOddBreaks(data []byte) bool {
	return bytes.Count(data, []byte("\r")) != bytes.Count(data, []byte("\r\n")) ||
		bytes.Contains(data, []byte("\u0085")) || bytes.Contains(data, []byte("\u2028")) || bytes.Contains(data, []byte("\u2029"))
}
