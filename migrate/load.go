package migrate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/operation"
	"github.com/seguehq/segue/migrate/internal/phased"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A Set is the migrations of a release, in their order: by the number that their
// names begin with, then by their names.
type Set []Migration

// A Migration is one change as its files say it.
type Migration struct {
	Name  string   // "0007_email"
	Files []string // relative to the folder
	Sum   string   // of their content: a migration that was begun must not change

	phased     phased.Migration
	operations *operation.Migration // nil: it is phased
}

// Load reads the migrations of a folder: NAME.expand.sql, NAME.backfill.sql and
// NAME.contract.sql are one, NAME.json and NAME.yaml are one each. Files of other
// kinds and folders do not matter. Errors name file and line. What only the
// database can tell (how its statements are split) is looked at by Plan.
func Load(dir fs.FS) (Set, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, err
	}
	found := map[string]*Migration{}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := add(found, dir, e.Name()); err != nil {
			return nil, err
		}
	}
	return ordered(found)
}

// add reads one file of a folder.
func add(found map[string]*Migration, dir fs.FS, file string) error {
	switch path.Ext(file) {
	case ".sql", ".json", ".yaml", ".yml":
	default:
		return nil
	}
	data, err := fs.ReadFile(dir, file)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(data)) == "" {
		return fmt.Errorf("%s:1: the file is empty; remove it if there is nothing to do", file)
	}
	if path.Ext(file) == ".sql" {
		return addPhase(found, file, string(data))
	}
	m, err := operation.Parse(file, data)
	if err != nil {
		return err
	}
	if other := found[m.Name]; other != nil {
		return fmt.Errorf("%s:1: there is a migration %s already: %s; rename one", file, m.Name, other.Files[0])
	}
	found[m.Name] = &Migration{Name: m.Name, Files: []string{file}, operations: m, Sum: string(data)}
	return nil
}

// addPhase takes 0007_email.expand.sql for the expand phase of 0007_email.
func addPhase(found map[string]*Migration, file, text string) error {
	name := strings.TrimSuffix(file, ".sql")
	phase := script.Phase(strings.TrimPrefix(path.Ext(name), "."))
	switch phase {
	case script.Expand, script.Backfill, script.Contract:
	default:
		return fmt.Errorf("%s:1: its name does not say of which phase it is: %s.expand.sql, .backfill.sql or .contract.sql", file, name)
	}
	name = strings.TrimSuffix(name, path.Ext(name))
	m := found[name]
	if m == nil {
		m = &Migration{Name: name, phased: phased.Migration{Name: name}}
		found[name] = m
	}
	if m.operations != nil {
		return fmt.Errorf("%s:1: there is a migration %s already: %s; rename one", file, name, m.Files[0])
	}
	m.Files = append(m.Files, file)
	m.phased.Files = append(m.phased.Files, phased.File{Name: file, Phase: phase, Text: text})
	return nil
}

// ordered puts the migrations into their order, and each one's files into that of
// the phases.
func ordered(found map[string]*Migration) (Set, error) {
	var set Set
	for _, m := range found {
		if err := m.settle(); err != nil {
			return nil, err
		}
		set = append(set, *m)
	}
	slices.SortFunc(set, func(a, b Migration) int { return compareNames(a.Name, b.Name) })
	for i := 1; i < len(set); i++ {
		a, b := set[i-1], set[i]
		if n := number(a.Name); n != "" && n == number(b.Name) {
			return nil, fmt.Errorf("%s:1: it has the number of %s; give one of them a number of its own, so that their order is sure", b.Files[0], a.Files[0])
		}
	}
	return set, nil
}

// settle orders a migration's files, and sums them up.
func (m *Migration) settle() error {
	sum := sha256.New()
	if m.operations != nil {
		sum.Write([]byte(m.Sum))
	}
	order := []script.Phase{script.Expand, script.Backfill, script.Contract}
	slices.SortFunc(m.phased.Files, func(a, b phased.File) int {
		return cmp.Compare(slices.Index(order, a.Phase), slices.Index(order, b.Phase))
	})
	for i, f := range m.phased.Files {
		m.Files[i] = f.Name
		fmt.Fprintf(sum, "%s %d\n%s", f.Phase, len(f.Text), f.Text)
	}
	m.Sum = hex.EncodeToString(sum.Sum(nil)[:16])
	if fs := m.phased.Files; len(fs) > 0 && fs[0].Phase == script.Backfill {
		return fmt.Errorf("%s:1: a backfill needs an expand that makes what it fills in: add %s.expand.sql, or put it to the migration that does", fs[0].Name, m.Name)
	}
	return nil
}

// number gives the number that a name begins with, without its zeros; empty: none.
func number(name string) string {
	end := strings.IndexFunc(name, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(name)
	}
	if end == 0 {
		return ""
	}
	return cmp.Or(strings.TrimLeft(name[:end], "0"), "0")
}

// compareNames orders names by their number; those without one come last.
func compareNames(a, b string) int {
	na, nb := number(a), number(b)
	if (na == "") != (nb == "") {
		return cmp.Compare(nb, na)
	}
	return cmp.Or(cmp.Compare(len(na), len(nb)), cmp.Compare(na, nb), cmp.Compare(a, b))
}
