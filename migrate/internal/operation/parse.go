package operation

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// maxBytes bounds a file: the YAML parser's time grows faster than its input.
const maxBytes = 1 << 20

// Parse reads a migration. file is its name, for errors and for the migration's
// name; one that ends in .json is read as JSON, which allows tabs, any other as
// YAML. Errors are [Errors], in the order of the file.
func Parse(file string, data []byte) (*Migration, error) {
	r := &report{file: file}
	n, bad := readTree(file, data)
	if bad != nil {
		r.add(bad.Place, "", bad.what, bad.mend)
		return nil, r.err()
	}
	m := &Migration{Name: strings.TrimSuffix(path.Base(file), path.Ext(file))}
	readMigration(cursor{r: r, n: n}, m)
	if err := r.err(); err != nil {
		return nil, err
	}
	return m, nil
}

func readTree(file string, data []byte) (*node, *problem) {
	if len(data) > maxBytes {
		return nil, problemAt(1, 1, fmt.Sprintf("the file is larger than %d MiB", maxBytes>>20), "is this a migration?")
	}
	if !utf8.Valid(data) {
		return nil, problemAt(1, 1, "this is not UTF-8 text", "save the file as UTF-8")
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	if strings.EqualFold(path.Ext(file), ".json") {
		return readJSON(text)
	}
	return readYAML(text)
}

// A document is a file as it is written.
type document struct {
	Name          string       `json:"name"`
	VersionSchema string       `json:"version_schema"`
	Operations    []operations `json:"operations" need:"yes"`
}

// operations is an entry of the list, which has exactly one key.
type operations struct{ op Operation }

func readMigration(c cursor, m *Migration) {
	var d document
	c.decode(&d)
	if d.Name != "" {
		m.Name = d.Name
	}
	m.VersionSchema = d.VersionSchema
	if _, list := c.n.get("operations"); list != nil && list.kind == sequence && len(list.items) == 0 {
		c.r.add(list.Place, "operations", "there is no operation", "a migration needs at least one")
	}
	for _, o := range d.Operations {
		if o.op != nil {
			m.Operations = append(m.Operations, o.op)
		}
	}
	if len(c.r.errs) == 0 { // rules speak of what could be read
		check(c, m)
	}
}

// kinds makes each operation, by its key.
func kinds() map[string]Operation {
	all := map[string]Operation{}
	for _, op := range []Operation{
		&CreateTable{}, &DropTable{}, &RenameTable{},
		&AddColumn{}, &DropColumn{}, &RenameColumn{}, &AlterColumn{},
		&CreateIndex{}, &DropIndex{},
		&CreateConstraint{}, &DropConstraint{}, &DropMultiColumnConstraint{}, &RenameConstraint{},
		&SetReplicaIdentity{}, &SQL{}, &CreateRoutine{}, &DropRoutine{},
	} {
		all[op.Kind()] = op
	}
	return all
}

func (o *operations) read(c cursor) {
	if c.n.kind != mapping || len(c.n.entries) != 1 {
		c.fail("an operation is one key with its settings", "write each after a dash of its own: - add_column: {…}")
		return
	}
	e, all := c.n.entries[0], kinds()
	op, known := all[e.key.text]
	if !known {
		c.r.add(e.key.Place, c.path, fmt.Sprintf("there is no operation %s", clip(e.key.text)), didYouMean(e.key.text, keysOf(all)))
		return
	}
	next := c.to(e.key.text, e.value)
	setPlace(op, e.key.Place)
	next.decode(op)
	o.op = op
}
