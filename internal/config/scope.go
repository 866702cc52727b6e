package config

import "strings"

// A scope is the section of one service, for the rules that look at several
// keys at once.
type scope struct {
	r      *report
	lookup Lookup
	dir    string // folder of the file, absolute
	name   *node  // where the service's name stands
	root   *node  // its section
	path   string // "" or "services.shop"
}

// find follows a path of keys and returns the nodes of the last one, or nil.
func (s scope) find(path string) (key, value *node) {
	value = s.root
	for _, k := range strings.Split(path, ".") {
		if key, value = value.get(k); key == nil {
			return nil, nil
		}
	}
	return key, value
}

// has tells whether the file says something for a path, right or wrong.
func (s scope) has(path string) bool {
	key, _ := s.find(path)
	return key != nil
}

// broken tells whether a section on the way to path is no section, which was
// reported already.
func (s scope) broken(path string) bool {
	n := s.root
	for _, k := range strings.Split(path, ".") {
		key, value := n.get(k)
		if key == nil {
			return n.kind != mapping
		}
		n = value
	}
	return false
}

// place is where to point for a path: at a single value, at the key of a
// section or list, and for a key that is missing at the nearest one above it.
func (s scope) place(path string) (line, col int) {
	for p := path; p != ""; {
		if key, value := s.find(p); key != nil {
			if p == path && value.kind == scalar && !value.isNull() {
				return value.line, value.col
			}
			return key.line, key.col
		}
		cut := strings.LastIndexByte(p, '.')
		p = p[:max(cut, 0)]
	}
	return s.name.line, s.name.col
}

func (s scope) failed(path string) bool { return s.r.failed(join(s.path, path)) }

func (s scope) fail(path, what, mend string) {
	line, col := s.place(path)
	s.r.failAt(line, col, join(s.path, path), what, mend)
}

func (s scope) warn(path, what, mend string) {
	line, col := s.place(path)
	s.r.warnAt(line, col, join(s.path, path), what, mend)
}

// item is the node of the i-th of words.
func (s scope) item(path string, i int) *node {
	_, n := s.find(path)
	if n == nil {
		return s.name // an entry of a default, which has no fault
	}
	if n.kind == list {
		return n.items[i]
	}
	return n
}
