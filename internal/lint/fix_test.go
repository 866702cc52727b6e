package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fixed applies a fix to the first object of a text; "" if it is none.
func fixed(t *testing.T, name, text string, what ...op) string {
	t.Helper()
	loaded := Load(NewFile(name, []byte(text)))
	if len(loaded.Problems) > 0 || len(loaded.Objects) == 0 {
		t.Fatalf("%d objects, problems %v", len(loaded.Objects), loaded.Problems)
	}
	o := loaded.Objects[0]
	f := o.fix(what[0])
	for _, x := range what[1:] {
		f = f.And(o.fix(x))
	}
	if f == nil {
		return ""
	}
	after, ok := f.apply(name, []byte(text), map[string]string{})
	if !ok {
		return ""
	}
	return string(after)
}

// head makes a document an object, and is not shown in the cases below.
const head = "apiVersion: v1\nkind: X\n"

func put(value string, path ...any) op { return op{path: path, value: value} }
func drop(path ...any) op              { return op{path: path, drop: true} }

func TestFixesOfYAML(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		what op
		want string // "" is no fix
	}{
		"a value":                          {"a: 1 # one\nb: 2\n", put("3", "a"), "a: 3 # one\nb: 2\n"},
		"a value in quotes":                {"a: \"x, y\" # z\n", put("3", "a"), "a: 3 # z\n"},
		"what looks like a comment":        {"a: \"x # y\" # z\n", put("3", "a"), ""},
		"a text":                           {"a: 1\n", put("\"yes\"", "a"), "a: \"yes\"\n"},
		"of single quotes":                 {"a: 'it''s'   # z\n", put("3", "a"), "a: 3   # z\n"},
		"a value that is missing":          {"a: 1\nb: 2\n", put("3", "c"), "a: 1\nb: 2\nc: 3\n"},
		"without a line end":               {"a: 1", put("3", "c"), "a: 1\nc: 3"},
		"with carriage returns":            {"a: 1\r\nb:\r\n  x: 1\r\n", put("{y: 1}", "b", "c"), "a: 1\r\nb:\r\n  x: 1\r\n  c:\r\n    y: 1\r\n"},
		"a path that is missing":           {"a:\n  b: 1\nz: 1\n", put("3", "a", "c", "d", 0, "e"), "a:\n  b: 1\n  c:\n    d:\n    - e: 3\nz: 1\n"},
		"lists below their keys":           {"a:\n- b\nz: 1\n", put("[1, 2]", "c"), "a:\n- b\nz: 1\nc:\n- 1\n- 2\n"},
		"lists indented":                   {"a:\n  - b\nz: 1\n", put("[1, 2]", "c"), "a:\n  - b\nz: 1\nc:\n  - 1\n  - 2\n"},
		"four columns":                     {"a:\n    b: 1\n", put("1", "c", "d"), "a:\n    b: 1\nc:\n    d: 1\n"},
		"comments at the end stay there":   {"a:\n  b: 1\n  # about c\n\n# about z\nz: 1\n", put("2", "a", "c"), "a:\n  b: 1\n  c: 2\n  # about c\n\n# about z\nz: 1\n"},
		"before what is long":              {"spec:\n  a: 1\n  # the pods\n  template: {}\n", put("2", "spec", "b"), "spec:\n  a: 1\n  b: 2\n  # the pods\n  template: {}\n"},
		"behind a text of several lines":   {"a:\n  b: |\n    x\n    # no comment\n\n  # comment\nz: 1\n", put("2", "a", "c"), "a:\n  b: |\n    x\n    # no comment\n  c: 2\n\n  # comment\nz: 1\n"},
		"behind a text that keeps its end": {"a:\n  b: |+\n    x\n\nz: 1\n", put("2", "a", "c"), ""},
		"behind a folded word":             {"a:\n  b: x\n    y\nz: 1\n", put("2", "a", "c"), "a:\n  b: x\n    y\n  c: 2\nz: 1\n"},
		"behind brackets of several lines": {"a:\n  b: [1,\n    2,\n  ]\nz: 1\n", put("2", "a", "c"), "a:\n  b: [1,\n    2,\n  ]\n  c: 2\nz: 1\n"},
		"an item's key":                    {"a:\n  - b: 1 # x\n    c: 2\n  - b: 3\n", put("4", "a", 0, "d"), "a:\n  - b: 1 # x\n    c: 2\n    d: 4\n  - b: 3\n"},
		"the last item's key":              {"a:\n- b: 1\nz: 1\n", put("4", "a", 0, "d"), "a:\n- b: 1\n  d: 4\nz: 1\n"},
		"another item":                     {"a:\n  - b: 1\n    c: 2\nz: 1\n", put("{b: 2}", "a", 1), "a:\n  - b: 1\n    c: 2\n  - b: 2\nz: 1\n"},
		"another item below its key":       {"a:\n- 1\nz: 1\n", put("2", "a", 1), "a:\n- 1\n- 2\nz: 1\n"},
		"in braces":                        {"a: {b: 1, c: 'x}'} # y\n", put("2", "a", "d"), "a: {b: 1, c: 'x}', d: 2} # y\n"},
		"in braces, deep":                  {"a: {b: {c: 1}}\n", put("2", "a", "b", "d", "e"), "a: {b: {c: 1, d: {e: 2}}}\n"},
		"in empty braces":                  {"a: {}\n", put("2", "a", "d"), "a: {d: 2}\n"},
		"in braces over comments":          {"a: {b: 1, # x\n  c: 2}\n", put("2", "a", "d"), ""},
		"in brackets":                      {"a: [1, 2]\n", put("3", "a", 2), "a: [1, 2, 3]\n"},
		"a value in braces":                {"a: {b: 1, c: 2}\n", put("3", "a", "b"), "a: {b: 3, c: 2}\n"},
		"braces by a value":                {"a: {b: 1}\n", put("3", "a"), "a: 3\n"},
		"an empty value":                   {"a:\nb: 1\n", put("3", "a"), "a: 3\nb: 1\n"},
		"an empty value with a comment":    {"a: # x\nb: 1\n", put("3", "a"), "a: 3 # x\nb: 1\n"},
		"an empty value by lines":          {"a: # x\nb: 1\n", put("3", "a", "c"), "a: # x\n  c: 3\nb: 1\n"},
		"null":                             {"a: ~\n", put("3", "a"), "a: 3\n"},
		"null by its name":                 {"a: null\n", put("3", "a", "b"), "a: {b: 3}\n"},
		"an empty item":                    {"a:\n  -\n  - 1\n", put("3", "a", 0), "a:\n  - 3\n  - 1\n"},
		"a block":                          {"a:\n  exec:\n    command: [sleep]\nb: 1\n", put("{sleep: {seconds: 5}}", "a"), "a:\n  sleep:\n    seconds: 5\nb: 1\n"},
		"a block with comments":            {"a:\n  # why\n  b: 1\n", put("{c: 1}", "a"), ""},
		"an alias":                         {"a: &a {b: 1}\nc: *a\n", put("2", "c", "b"), ""},
		"what has an alias":                {"a: &a {b: 1}\nc: *a\n", put("2", "a", "b"), ""},
		"beside a merged key":              {"a: &a {b: 1}\nc:\n  <<: *a\n  d: 1\n", put("2", "c", "e"), "a: &a {b: 1}\nc:\n  <<: *a\n  d: 1\n  e: 2\n"},
		"a merged key":                     {"a: &a {b: 1}\nc:\n  <<: *a\n  d: 1\n", put("2", "c", "b"), ""},
		"a text of several lines":          {"a: |\n  x\nb: 1\n", put("2", "a"), ""},
		"a list as a mapping":              {"a: [1]\n", put("2", "a", "b"), ""},

		"drop a key":                       {"a: 1\nb:\n  c: 1\n  d: 2\nz: 1\n", drop("b"), "a: 1\nz: 1\n"},
		"drop the last key":                {"a: 1\nb: 2\n", drop("b"), "a: 1\n"},
		"drop an only key":                 {"a:\n  b: 1\n", drop("a", "b"), ""},
		"drop what has a comment":          {"a: 1\nb: 2 # why\n", drop("b"), ""},
		"drop an item":                     {"a:\n  - b: 1\n    c: 2\n  - 3\n", drop("a", 0), "a:\n  - 3\n"},
		"drop an item's first key":         {"a:\n  - b: 1\n    c: 2\n", drop("a", 0, "b"), ""},
		"drop an item's second key":        {"a:\n  - b: 1\n    c: 2\n", drop("a", 0, "c"), "a:\n  - b: 1\n"},
		"drop of braces":                   {"a: {b: 1, c: 2}\n", drop("a", "b"), ""},
		"drop what is not there":           {"a: 1\n", drop("b"), ""},
		"drop the last key without an end": {"a: 1\nb: 2", drop("b"), "a: 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.ReplaceAll(head, "\n", lineEndOf(c.text))
			got := strings.TrimPrefix(fixed(t, "x.yaml", text+c.text, c.what), text)
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func lineEndOf(text string) string { return NewFile("", []byte(text)).lineEnd() }

func TestFixesOfJSON(t *testing.T) {
	const before = "{\n  \"apiVersion\": \"v1\", \"kind\": \"X\",\n  \"spec\": {\n    \"a\": 1\n  }\n}\n"
	const after = "{\n  \"apiVersion\": \"v1\", \"kind\": \"X\",\n  \"spec\": {\n    \"a\": 1,\n    \"b\": {\"c\": [1, \"x\"]}\n  }\n}\n"
	if got := fixed(t, "x.json", before, put("{c: [1, x]}", "spec", "b")); got != after {
		t.Errorf("%s", got)
	}
}

func TestFixesOfUnits(t *testing.T) {
	const unit = "[Service]\nExecStart=/bin/web \\\n  --port 80\n# stop\nKillMode=process\n\n[Install]\nWantedBy=multi-user.target\n"
	for name, c := range map[string]struct {
		text string
		what op
		want string
	}{
		"an assignment":           {unit, put("mixed", "Service", "KillMode"), strings.Replace(unit, "=process", "=mixed", 1)},
		"one of several lines":    {unit, put("/bin/x", "Service", "ExecStart"), strings.Replace(unit, "/bin/web \\\n  --port 80", "/bin/x", 1)},
		"a key that is missing":   {unit, put("5", "Service", "TimeoutStopSec"), strings.Replace(unit, "=process\n", "=process\nTimeoutStopSec=5\n", 1)},
		"a section that is not":   {unit, put("5", "Unit", "A"), unit + "\n[Unit]\nA=5\n"},
		"drop":                    {unit, drop("Service", "KillMode"), strings.Replace(unit, "KillMode=process\n", "", 1)},
		"drop one of several":     {"[Service]\nA=1\nA=2\n", drop("Service", "A", 0), "[Service]\nA=2\n"},
		"drop all of several":     {"[Service]\nA=1\nA=2\n", drop("Service", "A"), ""},
		"one more of several":     {"[Service]\nA=1\nA=2\n", put("3", "Service", "A", 2), "[Service]\nA=1\nA=2\nA=3\n"},
		"without a line end":      {"[Service]\nA=1", put("3", "Service", "B"), "[Service]\nA=1\nB=3"},
		"with carriage returns":   {"[Service]\r\nA=1\r\n", put("3", "Service", "B"), "[Service]\r\nA=1\r\nB=3\r\n"},
		"a value of two lines":    {unit, put("a\nB=1", "Service", "A"), ""},
		"the last of two of them": {"[Service]\nA=1\n[Service]\nB=1\n", put("3", "Service", "C"), "[Service]\nA=1\n[Service]\nB=1\nC=3\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fixed(t, "x.service", c.text, c.what); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestSeveralFixesInOne(t *testing.T) {
	got := fixed(t, "x.yaml", head+"a: 1\nb: 2\n", put("3", "a"), put("4", "c", "d"), drop("b"))
	if got != head+"a: 3\nc:\n  d: 4\n" {
		t.Errorf("%q", got)
	}
	if got := fixed(t, "x.yaml", head+"a: 1\nb: &b 2\n", put("3", "a"), put("4", "b")); got != "" {
		t.Errorf("half of it was done: %q", got)
	}
}

func TestWriteReplacesAFileWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "web.yaml"), filepath.Join(dir, "link.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	write("a: 1\n")
	if err := os.Symlink("web.yaml", link); err != nil {
		t.Fatal(err)
	}
	change := Change{Before: NewFile(link, []byte("a: 1\n")), After: NewFile(link, []byte("a: 2\n"))}
	if err := change.Write(); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "a: 2\n" {
		t.Errorf("%q %v", data, err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info, err)
	}

	write("a: somebody else's\n")
	if err := change.Write(); err == nil || !strings.Contains(err.Error(), "changed by somebody else") {
		t.Errorf("%v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "a: somebody else's\n" {
		t.Errorf("%q %v", data, err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 2 {
		t.Errorf("something is left: %v %v", names, err)
	}
}
