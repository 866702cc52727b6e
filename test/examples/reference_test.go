package examples

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/test/harness"
)

var update = flag.Bool("update", false, "write docs/segue-yaml.md's reference anew")

// A property is what the reference tells of a key.
type property struct {
	Description string               `json:"description"`
	Default     any                  `json:"default"`
	Properties  map[string]*property `json:"properties"`
	Items       *property            `json:"items"`
}

// TestReference holds docs/segue-yaml.md to the schema.
func TestReference(t *testing.T) {
	path := filepath.Join(harness.Root(), "docs", "segue-yaml.md")
	page := read(t, path)
	head, rest, ok := strings.Cut(page, "<!-- reference -->\n")
	_, tail, ok2 := strings.Cut(rest, "<!-- /reference -->")
	if !ok || !ok2 {
		t.Fatal("the marks of the reference are gone")
	}
	want := head + "<!-- reference -->\n" + reference(t) + "<!-- /reference -->" + tail
	if want == page {
		return
	}
	if !*update {
		t.Fatal("out of date; go test ./test/examples -run Reference -update writes it anew")
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestEveryKeyIsShown wants every key of the schema in the example of
// docs/segue-yaml.md, in its place.
func TestEveryKeyIsShown(t *testing.T) {
	page := read(t, filepath.Join(harness.Root(), "docs", "segue-yaml.md"))
	var all string
	for _, block := range yamlBlocks(page) {
		all += block
	}
	for _, k := range keys(t) {
		name := k.name[strings.LastIndex(k.name, ".")+1:]
		if !strings.Contains(all, name+":") {
			t.Errorf("no example shows %s", k.name)
		}
	}
}

func reference(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| key | default | what it is |\n| --- | --- | --- |\n")
	for _, k := range keys(t) {
		def := ""
		if k.Default != nil {
			def = fmt.Sprintf("`%v`", k.Default)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, def, strings.ReplaceAll(k.Description, "|", `\|`))
	}
	return b.String()
}

type key struct {
	name string
	*property
}

// keys lists the keys of a file, in the order of the alphabet within their
// section, those of a service before those of the whole file.
func keys(t *testing.T) []key {
	t.Helper()
	data, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var root property
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	var out []key
	var walk func(prefix string, p *property)
	walk = func(prefix string, p *property) {
		if p.Items != nil {
			p = p.Items
			prefix = strings.TrimSuffix(prefix, ".") + "[]."
		}
		names := make([]string, 0, len(p.Properties))
		for name := range p.Properties {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			out = append(out, key{prefix + name, p.Properties[name]})
			walk(prefix+name+".", p.Properties[name])
		}
	}
	walk("", &root)
	return out
}

// yamlBlocks are the examples in a page.
func yamlBlocks(page string) []string {
	var out []string
	for {
		_, rest, ok := strings.Cut(page, "```yaml\n")
		if !ok {
			return out
		}
		block, after, _ := strings.Cut(rest, "```")
		out = append(out, block)
		page = after
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
