package lint

import (
	"bytes"
	"unicode/utf8"
)

// A File is what was read, as it was read.
type File struct {
	Name string // as the user wrote it; "-" is stdin
	Data []byte

	starts []int // of lines: offsets into Data
}

var byteOrderMark = []byte("\ufeff")

// NewFile makes a file of bytes.
func NewFile(name string, data []byte) *File {
	starts := make([]int, 1, 1+bytes.Count(data, []byte{'\n'}))
	if bytes.HasPrefix(data, byteOrderMark) {
		starts[0] = len(byteOrderMark)
	}
	for i, c := range data {
		if c == '\n' && i+1 < len(data) {
			starts = append(starts, i+1)
		}
	}
	return &File{Name: name, Data: data, starts: starts}
}

// Lines is how many there are. A line feed at the end of a file begins none.
func (f *File) Lines() int { return len(f.starts) }

// Line is the text of a line, from 1, without its end; "" behind the last.
func (f *File) Line(n int) string { return string(f.bytes(n)) }

func (f *File) bytes(n int) []byte {
	if n < 1 || n > len(f.starts) {
		return nil
	}
	line := bytes.TrimSuffix(f.Data[f.starts[n-1]:f.end(n)], []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'})
}

// end is the offset behind a line and its line feed.
func (f *File) end(n int) int {
	if n < len(f.starts) {
		return f.starts[n]
	}
	return len(f.Data)
}

// chunk is the lines from first up to, and without, next.
func (f *File) chunk(first, next int) chunk {
	return chunk{first, f.Data[f.starts[first-1]:f.end(next-1)]}
}

// offset is where a line and a column, which counts characters, are in Data.
func (f *File) offset(line, column int) int {
	if line > len(f.starts) {
		return len(f.Data)
	}
	at := f.starts[max(line, 1)-1]
	for ; column > 1 && at < len(f.Data) && f.Data[at] != '\n'; column-- {
		_, n := utf8.DecodeRune(f.Data[at:])
		at += n
	}
	return at
}

// lineEnd is what ends the file's lines.
func (f *File) lineEnd() string {
	if at := bytes.IndexByte(f.Data, '\n'); at > 0 && f.Data[at-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
