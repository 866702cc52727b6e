// Package operation reads migrations that are written as operations, in the JSON
// or YAML of pgroll, so that its users can take their files along. What an
// operation does to a database is not told here: see package versions.
//
// The operations and their keys are pgroll's, as its published schema has them
// (https://github.com/xataio/pgroll, docs/operations and schema.json), with two of
// ours beside them: [CreateRoutine] and [DropRoutine].
package operation

// A Migration is what one file says.
type Migration struct {
	Name          string      // the file's, without .json or .yaml, unless the file has a name
	VersionSchema string      // replaces the name in that of the version's schema; empty: it does not
	Operations    []Operation // at least one
}

// An Operation is one change: one of the types of this package, as a pointer.
type Operation interface {
	Kind() string // its key in the file: "add_column"
	Where() Place
}

// A Place is where something begins in its file, both from 1.
type Place struct {
	Line, Column int
}

// Where returns the place itself.
func (p Place) Where() Place { return p }

// CreateTable makes a table.
type CreateTable struct {
	Place
	Name        string       `json:"name" need:"yes"`
	Columns     []Column     `json:"columns" need:"yes"`
	Comment     string       `json:"comment"`
	Constraints []Constraint `json:"constraints"`
}

// DropTable takes a table from the new version; contract drops it.
type DropTable struct {
	Place
	Name string `json:"name" need:"yes"`
}

// RenameTable gives a table another name.
type RenameTable struct {
	Place
	From string `json:"from" need:"yes"`
	To   string `json:"to" need:"yes"`
}

// AddColumn adds a column. Up gives its value for rows that the old version
// writes; empty: its default.
type AddColumn struct {
	Place
	Table  string `json:"table" need:"yes"`
	Column Column `json:"column" need:"yes"`
	Up     string `json:"up"`
}

// DropColumn takes a column from the new version. Down gives its value for rows
// that the new version writes; empty: its default, or NULL.
type DropColumn struct {
	Place
	Table  string `json:"table" need:"yes"`
	Column string `json:"column" need:"yes"`
	Down   string `json:"down"`
}

// RenameColumn gives a column another name.
type RenameColumn struct {
	Place
	Table string `json:"table" need:"yes"`
	From  string `json:"from" need:"yes"`
	To    string `json:"to" need:"yes"`
}

// AlterColumn changes a column: any of type, nullability, default, comment,
// name and constraints at once.
type AlterColumn struct {
	Place
	Table      string      `json:"table" need:"yes"`
	Column     string      `json:"column" need:"yes"`
	Name       string      `json:"name"` // the new one; empty: it keeps its own
	Type       string      `json:"type"` // the new one; empty: it keeps its own
	Nullable   *bool       `json:"nullable"`
	Default    Nullable    `json:"default"`
	Comment    Nullable    `json:"comment"`
	Unique     *Unique     `json:"unique"`
	Check      *Check      `json:"check"`
	References *References `json:"references"`
	Up         string      `json:"up"`   // the new version's value; empty: the column's own
	Down       string      `json:"down"` // the old version's value; empty: the column's own
}

// CreateIndex makes an index, without blocking writers.
type CreateIndex struct {
	Place
	Table             string      `json:"table" need:"yes"`
	Name              string      `json:"name" need:"yes"`
	Columns           IndexFields `json:"columns" need:"yes"`
	Predicate         string      `json:"predicate"`
	Method            string      `json:"method" enum:"btree,hash,gist,spgist,gin,brin"` // empty: btree
	StorageParameters string      `json:"storage_parameters"`                            // "fillfactor = 70"
	Unique            bool        `json:"unique"`
}

// IndexFields are an index's columns in their order. A file lists them, or, as
// pgroll's older ones do, has a section by their names.
type IndexFields []IndexField

// An IndexField is a column of an index.
type IndexField struct {
	Column  string   `json:"column" need:"yes"` // in the older form the key
	Collate string   `json:"collate"`
	Sort    string   `json:"sort" enum:"ASC,DESC"`
	Nulls   string   `json:"nulls" enum:"FIRST,LAST"`
	Opclass *Opclass `json:"opclass"`
}

// An Opclass is the operator class of an index's column.
type Opclass struct {
	Name   string   `json:"name" need:"yes"`
	Params []string `json:"params"` // "siglen = 32"
}

// DropIndex drops an index at contract.
type DropIndex struct {
	Place
	Name string `json:"name" need:"yes"`
}

// CreateConstraint adds a constraint to columns of the new version. Up and Down
// convert the columns it covers, by their names.
type CreateConstraint struct {
	Place
	Table           string            `json:"table" need:"yes"`
	Name            string            `json:"name" need:"yes"`
	Type            string            `json:"type" need:"yes" enum:"unique,check,foreign_key,primary_key"`
	Columns         []string          `json:"columns"`
	Check           string            `json:"check"`
	NoInherit       bool              `json:"no_inherit"`
	References      *TableReferences  `json:"references"`
	IndexParameters *IndexParameters  `json:"index_parameters"`
	Up              map[string]string `json:"up" need:"yes"`
	Down            map[string]string `json:"down" need:"yes"`
}

// DropConstraint drops a constraint of one column, and converts the column. The
// column is the constraint's.
type DropConstraint struct {
	Place
	Table string `json:"table" need:"yes"`
	Name  string `json:"name" need:"yes"`
	Up    string `json:"up" need:"yes"`
	Down  string `json:"down" need:"yes"`
}

// DropMultiColumnConstraint drops a constraint of any number of columns, and
// converts them.
type DropMultiColumnConstraint struct {
	Place
	Table string            `json:"table" need:"yes"`
	Name  string            `json:"name" need:"yes"`
	Up    map[string]string `json:"up"`
	Down  map[string]string `json:"down" need:"yes"`
}

// RenameConstraint renames a constraint, at contract.
type RenameConstraint struct {
	Place
	Table string `json:"table" need:"yes"`
	From  string `json:"from" need:"yes"`
	To    string `json:"to" need:"yes"`
}

// SetReplicaIdentity says what logical replication tells of a row that is
// changed.
type SetReplicaIdentity struct {
	Place
	Table    string          `json:"table" need:"yes"`
	Identity ReplicaIdentity `json:"identity" need:"yes"`
}

// ReplicaIdentity is one of full, default, nothing and index.
type ReplicaIdentity struct {
	Type  string `json:"type" need:"yes" enum:"full,default,nothing,index"`
	Index string `json:"index"`
}

// SQL runs statements as they are: Up when the change begins, or at contract with
// OnComplete; Down takes Up back.
type SQL struct {
	Place
	Up         string `json:"up" need:"yes"`
	Down       string `json:"down"`
	OnComplete bool   `json:"onComplete"`
}

// CreateRoutine makes a function or procedure for the new version, in its own
// schema: the old version goes on calling the old one. Contract puts it into the base
// schema in the place of all that have the name. SQL is one CREATE [OR REPLACE]
// FUNCTION or PROCEDURE, whose name is written without a schema.
type CreateRoutine struct {
	Place
	Name string `json:"name" need:"yes"`
	SQL  string `json:"sql" need:"yes"`
}

// DropRoutine drops a function or procedure, all that have the name, at contract.
type DropRoutine struct {
	Place
	Name string `json:"name" need:"yes"`
}

// Kind returns the operation's key.
func (*CreateTable) Kind() string { return "create_table" }

// Kind returns the operation's key.
func (*DropTable) Kind() string { return "drop_table" }

// Kind returns the operation's key.
func (*RenameTable) Kind() string { return "rename_table" }

// Kind returns the operation's key.
func (*AddColumn) Kind() string { return "add_column" }

// Kind returns the operation's key.
func (*DropColumn) Kind() string { return "drop_column" }

// Kind returns the operation's key.
func (*RenameColumn) Kind() string { return "rename_column" }

// Kind returns the operation's key.
func (*AlterColumn) Kind() string { return "alter_column" }

// Kind returns the operation's key.
func (*CreateIndex) Kind() string { return "create_index" }

// Kind returns the operation's key.
func (*DropIndex) Kind() string { return "drop_index" }

// Kind returns the operation's key.
func (*CreateConstraint) Kind() string { return "create_constraint" }

// Kind returns the operation's key.
func (*DropConstraint) Kind() string { return "drop_constraint" }

// Kind returns the operation's key.
func (*DropMultiColumnConstraint) Kind() string { return "drop_multicolumn_constraint" }

// Kind returns the operation's key.
func (*RenameConstraint) Kind() string { return "rename_constraint" }

// Kind returns the operation's key.
func (*SetReplicaIdentity) Kind() string { return "set_replica_identity" }

// Kind returns the operation's key.
func (*SQL) Kind() string { return "sql" }

// Kind returns the operation's key.
func (*CreateRoutine) Kind() string { return "create_routine" }

// Kind returns the operation's key.
func (*DropRoutine) Kind() string { return "drop_routine" }
