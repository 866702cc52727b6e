package cache

import (
	"reflect"
	"testing"
	"time"
)

type node struct {
	Value int
	Next  *node
	Kids  map[string][]node
}

// What the fields of a shape are called, and of what type they are, is what it is
// told apart by.
func TestShapesAreToldApart(t *testing.T) {
	type base struct{ ID int }
	seen := map[string]string{}
	for name, typ := range map[string]reflect.Type{
		"int":           reflect.TypeFor[int](),
		"int64":         reflect.TypeFor[int64](),
		"string":        reflect.TypeFor[string](),
		"bytes":         reflect.TypeFor[[]byte](),
		"array":         reflect.TypeFor[[4]byte](),
		"longer array":  reflect.TypeFor[[5]byte](),
		"map":           reflect.TypeFor[map[string]int](),
		"other map":     reflect.TypeFor[map[int]string](),
		"pointer":       reflect.TypeFor[*int](),
		"time":          reflect.TypeFor[time.Time](),
		"duration":      reflect.TypeFor[time.Duration](),
		"recursive":     reflect.TypeFor[node](),
		"empty":         reflect.TypeFor[struct{}](),
		"field":         reflect.TypeFor[struct{ A int }](),
		"renamed":       reflect.TypeFor[struct{ B int }](),
		"retyped":       reflect.TypeFor[struct{ A int8 }](),
		"another field": reflect.TypeFor[struct{ A, B int }](),
		"other order":   reflect.TypeFor[struct{ B, A int }](),
		"tag": reflect.TypeFor[struct {
			A int `json:"a"`
		}](),
		"other tag": reflect.TypeFor[struct {
			A int `json:"a,omitempty"`
		}](),
		"deep":              reflect.TypeFor[struct{ A struct{ B []struct{ C int } } }](),
		"deep renamed":      reflect.TypeFor[struct{ A struct{ B []struct{ D int } } }](),
		"embedded":          reflect.TypeFor[struct{ base }](),
		"not embedded":      reflect.TypeFor[struct{ Base base }](),
		"slice of pointers": reflect.TypeFor[[]*int](),
		"any":               reflect.TypeFor[any](),
	} {
		f, err := fingerprint(typ, "json", "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if other, ok := seen[f]; ok {
			t.Errorf("%s and %s have the same fingerprint", name, other)
		}
		seen[f] = name
		if again, _ := fingerprint(typ, "json", ""); again != f {
			t.Errorf("%s: it is another the second time", name)
		}
		for what, f2 := range map[string]func() (string, error){
			"codec":   func() (string, error) { return fingerprint(typ, "cbor", "") },
			"version": func() (string, error) { return fingerprint(typ, "json", "2") },
		} {
			if f2, err := f2(); err != nil || f2 == f {
				t.Errorf("%s: another %s changes nothing (%v)", name, what, err)
			}
		}
	}
}

// The same type in two releases: declared twice, one more field that no codec
// sees.
func TestWhatNoCodecSeesDoesNotMatter(t *testing.T) {
	a, err := fingerprint(reflect.TypeFor[struct {
		A int
		b int
		C func() `json:"-"`
	}](), "json", "")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := fingerprint(reflect.TypeFor[struct{ A int }](), "json", ""); err != nil || a != b {
		t.Errorf("%s, %s, %v", a, b, err)
	}
}

// A fingerprint that is another after an upgrade of Segue or Go empties every
// cache there is.
func TestFingerprintsStay(t *testing.T) {
	for want, typ := range map[string]reflect.Type{
		"a179c7a685cb6d0724a525a0": reflect.TypeFor[node](),
	} {
		if f, err := fingerprint(typ, "json", ""); f != want || err != nil {
			t.Errorf("%s has the fingerprint %s, %v; it was %s", typ, f, err, want)
		}
	}
}

func TestWhatCannotBeKeptInAStore(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[chan int](), reflect.TypeFor[func()](), reflect.TypeFor[struct{ A []map[string]func() }]()} {
		if f, err := fingerprint(typ, "json", ""); err == nil {
			t.Errorf("%s has the fingerprint %s", typ, f)
		}
	}
}
