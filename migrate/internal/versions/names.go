package versions

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// longest is how many bytes of a name PostgreSQL keeps (NAMEDATALEN - 1).
const longest = 63

// fit gives a name that PostgreSQL does not cut off: one that is too long ends in
// a digest of all of it.
func fit(name string) string {
	if len(name) <= longest {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	end := longest - 9
	for end > 0 && !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + "_" + hex.EncodeToString(sum[:4])
}

// newName gives the name that a new column, index or constraint has until contract.
func newName(name string) string { return fit("_segue_new_" + name) }

// ident quotes a name.
func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// idents quotes names, with commas between them.
func idents(names []string) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(ident(n))
	}
	return b.String()
}

// qualified quotes a name with its schema.
func qualified(schema, name string) string { return ident(schema) + "." + ident(name) }

// literal quotes a text.
func literal(text string) string {
	quoted := `'` + strings.ReplaceAll(text, `'`, `''`) + `'`
	if strings.Contains(text, `\`) { // whatever standard_conforming_strings says
		return ` E` + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}
