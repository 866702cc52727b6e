package featureflag

// A Set is flags that are in force, ready to be evaluated. It never changes and may
// be used concurrently. Nil is the empty Set.
type Set struct {
}

// Compile makes a Set. What is wrong with one flag (its targeting, its variants) is
// told by that flag's evaluations as ParseError and by Problems; the others work.
func Compile(d Definitions) *Set { panic("not written yet") }

// Parse reads flagd's JSON. An error says where the document is broken; then there
// is no Set. Unknown keys are passed over.
func Parse(data []byte) (Definitions, error) { panic("not written yet") }

// Evaluate gives what a flag is for c.
func (s *Set) Evaluate(key string, c Context) Evaluation { panic("not written yet") }

// Bool gives the flag's value, or def if there is no such flag of that type. It
// allocates nothing.
func (s *Set) Bool(key string, c Context, def bool) bool { panic("not written yet") }

// String likewise.
func (s *Set) String(key string, c Context, def string) string { panic("not written yet") }

// Float likewise.
func (s *Set) Float(key string, c Context, def float64) float64 { panic("not written yet") }

// Int likewise; a number that is no integer is def.
func (s *Set) Int(key string, c Context, def int64) int64 { panic("not written yet") }

// Keys lists the flags in order.
func (s *Set) Keys() []string { panic("not written yet") }

// Problems tells, by flag, what is wrong with those that cannot be evaluated.
func (s *Set) Problems() map[string]error { panic("not written yet") }

// JSON is the Set as flagd's document, ETag a quoted strong validator (RFC 9110
// §8.8.3) that is the same wherever the same flags are in force.
func (s *Set) JSON() []byte { panic("not written yet") }

func (s *Set) ETag() string { panic("not written yet") }

// Public is the Set without the flags that browsers are not shown (Metadata "public").
func (s *Set) Public() *Set { panic("not written yet") }
