package operation

// A Column is a column that is made.
type Column struct {
	Name       string      `json:"name" need:"yes"`
	Type       string      `json:"type" need:"yes"`
	Nullable   bool        `json:"nullable"` // false: NOT NULL
	PK         bool        `json:"pk"`
	Unique     bool        `json:"unique"`
	Default    *string     `json:"default"` // an SQL expression; nil: none
	Comment    string      `json:"comment"`
	Check      *Check      `json:"check"`
	References *References `json:"references"`
	Generated  *Generated  `json:"generated"`
}

// A Generated column has one of the two.
type Generated struct {
	Expression string    `json:"expression"` // stored
	Identity   *Identity `json:"identity"`
}

// An Identity is a column's sequence.
type Identity struct {
	UserSpecifiedValues string `json:"user_specified_values" enum:"ALWAYS,BY DEFAULT"` // empty: ALWAYS
	SequenceOptions     string `json:"sequence_options"`
}

// A Nullable is a value that a file may set, set to null, or not mention.
type Nullable struct {
	Set  bool
	Null bool
	Text string
}

// A Unique is a unique constraint of one column.
type Unique struct {
	Name string `json:"name" need:"yes"`
}

// A Check is a CHECK constraint.
type Check struct {
	Name       string `json:"name" need:"yes"`
	Constraint string `json:"constraint" need:"yes"`
	NoInherit  bool   `json:"no_inherit"`
}

// A References is a foreign key of one column.
type References struct {
	Name              string `json:"name" need:"yes"`
	Table             string `json:"table" need:"yes"`
	Column            string `json:"column" need:"yes"`
	OnDelete          string `json:"on_delete" enum:"NO ACTION,RESTRICT,CASCADE,SET NULL,SET DEFAULT"`
	OnUpdate          string `json:"on_update" enum:"NO ACTION,RESTRICT,CASCADE,SET NULL,SET DEFAULT"`
	MatchType         string `json:"match_type" enum:"SIMPLE,FULL"`
	Deferrable        bool   `json:"deferrable"`
	InitiallyDeferred bool   `json:"initially_deferred"`
}

// A TableReferences is a foreign key of several columns.
type TableReferences struct {
	Name               string   `json:"name"` // not used: the constraint has one
	Table              string   `json:"table" need:"yes"`
	Columns            []string `json:"columns" need:"yes"`
	OnDelete           string   `json:"on_delete" enum:"NO ACTION,RESTRICT,CASCADE,SET NULL,SET DEFAULT"`
	OnDeleteSetColumns []string `json:"on_delete_set_columns"`
	OnUpdate           string   `json:"on_update" enum:"NO ACTION,RESTRICT,CASCADE,SET NULL,SET DEFAULT"`
	MatchType          string   `json:"match_type" enum:"SIMPLE,FULL"`
}

// A Constraint is one of a table that is made.
type Constraint struct {
	Name              string           `json:"name" need:"yes"`
	Type              string           `json:"type" need:"yes" enum:"unique,check,primary_key,foreign_key,exclude"`
	Columns           []string         `json:"columns"`
	Check             string           `json:"check"`
	NullsNotDistinct  bool             `json:"nulls_not_distinct"`
	Deferrable        bool             `json:"deferrable"`
	InitiallyDeferred bool             `json:"initially_deferred"`
	NoInherit         bool             `json:"no_inherit"`
	References        *TableReferences `json:"references"`
	IndexParameters   *IndexParameters `json:"index_parameters"`
	Exclude           *Exclude         `json:"exclude"`
}

// IndexParameters are those of a constraint's index.
type IndexParameters struct {
	Tablespace        string   `json:"tablespace"`
	StorageParameters string   `json:"storage_parameters"`
	IncludeColumns    []string `json:"include_columns"`
}

// An Exclude is what an exclusion constraint excludes.
type Exclude struct {
	IndexMethod string `json:"index_method"` // empty: btree
	Elements    string `json:"elements" need:"yes"`
	Predicate   string `json:"predicate"`
}
