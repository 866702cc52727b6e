package featureflag

import (
	"encoding/json"
	"fmt"
	"testing"
)

// The answers below are those that flagd's own suite (open-feature/flagd-testbed 3.9.0,
// evaluator/gherkin) expects of every evaluator; where it has two, those of
// its "fractional-v2".

// one is a set of one flag over these variants, whose values are their names.
func one(t testing.TB, key, targeting string, variants ...string) *Set {
	t.Helper()
	d := Definition{State: Enabled, Variants: map[string]json.RawMessage{}, Targeting: json.RawMessage(targeting)}
	for _, v := range append(variants, "default") {
		d.Variants[v] = json.RawMessage(fmt.Sprintf("%q", v))
	}
	d.DefaultVariant = &[]string{"default"}[0]
	s := Compile(Definitions{Flags: map[string]Definition{key: d}, Evaluators: map[string]json.RawMessage{
		"is_ballmer": json.RawMessage(`{"==": ["ballmer@macrosoft.com", {"var": ["email"]}]}`)}})
	for _, err := range s.Problems() {
		t.Fatal(err)
	}
	return s
}

func want(t testing.TB, s *Set, c Context, value string, reason Reason) {
	t.Helper()
	for _, key := range s.Keys() {
		e := s.Evaluate(key, c)
		if e.Value != value || e.Reason != reason {
			t.Errorf("%s for %v: %v, %s (%s %s), want %s, %s", key, c, e.Value, e.Reason, e.Err, e.Detail, value, reason)
		}
	}
}

func attribute(path string, x any) Context { return Context{Attributes: map[string]any{path: x}} }

func user(name string) Context { return attribute("user", map[string]any{"name": name}) }

var suits = []string{"clubs", "diamonds", "hearts", "spades"}

func quarters(by string) string {
	return `{"fractional": [` + by + `, ["clubs", 25], ["diamonds", 25], ["hearts", 25], ["spades", 25]]}`
}

func TestFlagdFractional(t *testing.T) {
	s := one(t, "fractional-flag", quarters(`{"cat": [{"var": "$flagd.flagKey"}, {"var": "user.name"}]}`), suits...)
	for name, v := range map[string]string{"jack": "hearts", "queen": "spades", "ten": "clubs", "nine": "diamonds", "3": "clubs"} {
		want(t, s, user(name), v, TargetingMatch)
	}
	for _, key := range []string{"fractional-flag-A-shared-seed", "fractional-flag-B-shared-seed"} {
		s := one(t, key, quarters(`{"cat": ["shared-seed", {"var": "user.name"}]}`), suits...)
		for name, v := range map[string]string{"seven": "hearts", "eight": "diamonds", "nine": "clubs", "two": "spades"} {
			want(t, s, user(name), v, TargetingMatch)
		}
	}
	s = one(t, "fractional-flag-shorthand", `{"fractional": [["heads"], ["tails", 1]]}`, "heads", "tails")
	want(t, s, For("jon@company.com"), "heads", TargetingMatch)
	want(t, s, For("jane@company.com"), "tails", TargetingMatch)
	s = one(t, "f", `{"fractional": [["single", 1]]}`, "single")
	want(t, s, For("some-targeting-key"), "single", TargetingMatch)
}

// TestFlagdFractionalEdges: keys whose hashes are next to 0, 2³¹ and 2³².
func TestFlagdFractionalEdges(t *testing.T) {
	s := one(t, "f", `{"fractional": [{"var": "targetingKey"}, ["lower", 50], ["upper", 50]]}`, "lower", "upper")
	for key, v := range map[string]string{"ejOoVL": "lower", "bY9fO-": "lower", "SI7p-": "lower", "6LvT0": "upper", "ceQdGm": "upper"} {
		want(t, s, For(key), v, TargetingMatch)
	}
}

func TestFlagdFractionalNested(t *testing.T) {
	who := func(key, name, v string) Context { return Context{Key: key, Attributes: map[string]any{name: v}} }
	s := one(t, "f", `{"fractional": [{"var": "targetingKey"}, [{"if": [{"==": [{"var": "tier"}, "premium"]}, "premium", "standard"]}, 50], ["standard", 50]]}`, "premium", "standard")
	want(t, s, who("jon@company.com", "tier", "premium"), "premium", TargetingMatch)
	want(t, s, who("jon@company.com", "tier", "basic"), "standard", TargetingMatch)
	want(t, s, who("user1", "tier", "premium"), "standard", TargetingMatch)

	s = one(t, "f", `{"fractional": [{"var": "targetingKey"}, [{"var": "color"}, 50], ["blue", 50]]}`, "red", "green", "blue")
	want(t, s, who("jon@company.com", "color", "red"), "red", TargetingMatch)
	want(t, s, who("jon@company.com", "color", "green"), "green", TargetingMatch)
	want(t, s, who("user1", "color", "red"), "blue", TargetingMatch)
	want(t, s, For("jon@company.com"), "default", Default)
	if e := s.Evaluate("f", who("jon@company.com", "color", "yellow")); e.Err != General || e.Variant != "" {
		t.Errorf("a colour that is no variant: %+v", e)
	}

	s = one(t, "f", `{"fractional": [{"var": "targetingKey"}, ["red", {"if": [{"==": [{"var": "tier"}, "premium"]}, 100, 0]}], ["blue", 10]]}`, "red", "blue")
	want(t, s, who("jon@company.com", "tier", "premium"), "red", TargetingMatch)
	want(t, s, who("jon@company.com", "tier", "basic"), "blue", TargetingMatch)
	want(t, s, who("user1", "tier", "premium"), "red", TargetingMatch)

	s = one(t, "f", `{"if": [{"fractional": [[false, 0], [true, 100]]}, "big", "small"]}`, "big", "small")
	want(t, s, For("some-targeting-key"), "big", TargetingMatch)
	s = one(t, "f", `{"if": [{"fractional": [[false, 100], [true, 0]]}, "big", "small"]}`, "big", "small")
	want(t, s, For("some-targeting-key"), "small", TargetingMatch)
}

// TestFlagdNull: an operator on what it cannot work with gives null, and the flag its default.
func TestFlagdNull(t *testing.T) {
	for targeting, c := range map[string]Context{
		`{"fractional": [{"var": "missing"}, ["one", 50], ["two", 50]]}`:    {},
		`{"fractional": [["one", 50], ["two", 50]]}`:                        {},
		`{"fractional": [{"var": "targetingKey"}, ["one", 0], ["two", 0]]}`: For("any-user"),
		`{"fractional": [["one", 2147483647], ["two", 1]]}`:                 For("any-user"),
		`{"fractional": [["one", 0.5], ["two", 1]]}`:                        For("any-user"),
		`{"fractional": [["one", "1"], ["two", 1]]}`:                        For("any-user"),
		`{"fractional": [7, ["one"], ["two"]]}`:                             For("any-user"),
		`{"fractional": []}`:                                                For("any-user"),
		`{"fractional": "one"}`:                                             For("any-user"),
		`{"starts_with": [{"var": "num"}, "abc"]}`:                          attribute("num", 123),
		`{"ends_with": [{"var": "num"}, "abc"]}`:                            attribute("num", 123),
		`{"starts_with": ["abc"]}`:                                          {},
		`{"ends_with": ["abc"]}`:                                            {},
		`{"sem_ver": [{"var": "version"}, "=", "1.0.0"]}`:                   attribute("version", "not-a-version"),
		`{"sem_ver": [{"var": "version"}, "===", "1.0.0"]}`:                 attribute("version", "1.0.0"),
		`{"sem_ver": [{"var": "version"}, "="]}`:                            attribute("version", "1.0.0"),
		`{"if": [{"==": [{"var": "targetingKey"}, "me"]}, "one", null]}`:    For("you"),
		`{"if": [{"==": [{"var": "targetingKey"}, "me"]}, "one"]}`:          For("you"),
	} {
		want(t, one(t, "f", targeting, "one", "two", "true", "false"), c, "default", Default)
	}
	s := one(t, "f", `{"fractional": [{"var": "targetingKey"}, ["one", -50], ["two", 100]]}`, "one", "two")
	want(t, s, For("any-user"), "two", TargetingMatch)
}

func TestFlagdVersions(t *testing.T) {
	s := one(t, "f", `{"if": [{"sem_ver": [{"var": "v"}, "=", "2.0.0"]}, "equal", {"sem_ver": [{"var": "v"}, ">", "2.0.0"]}, "greater",
		{"sem_ver": [{"var": "v"}, "<", "2.0.0"]}, "lesser"]}`, "equal", "greater", "lesser")
	for v, is := range map[any]string{"2.0.0": "equal", "2.1.0": "greater", "1.9.0": "lesser", "2.0.0-alpha": "lesser", "2.0.0+a": "equal",
		"v2.0.0": "equal", "V2.0.0": "equal", 3: "greater", 1.5: "lesser", int64(2): "equal"} {
		want(t, s, attribute("v", v), is, TargetingMatch)
	}
	want(t, s, attribute("v", "2.0.0.0"), "default", Default)
	s = one(t, "f", `{"if": [{"sem_ver": [{"var": "v"}, "~", "3.0.0"]}, "minor", {"sem_ver": [{"var": "v"}, "^", "3"]}, "major"]}`, "minor", "major")
	want(t, s, attribute("v", "3.0.1"), "minor", TargetingMatch)
	want(t, s, attribute("v", "3.1.0"), "major", TargetingMatch)
	want(t, s, attribute("v", "4.0.0"), "default", Default)
	s = one(t, "f", `{"sem_ver": [{"var": "v"}, ">", "1.1"]}`, "true", "false")
	want(t, s, attribute("v", 1.2), "true", TargetingMatch)
	want(t, s, attribute("v", 1.1), "false", TargetingMatch)
	s = one(t, "f", `{"sem_ver": [{"var": "v"}, "=", "1.0.0+build"]}`, "true", "false")
	want(t, s, attribute("v", "1.0.0+other"), "true", TargetingMatch)
}

func TestFlagdStrings(t *testing.T) {
	s := one(t, "f", `{"if": [{"starts_with": [{"var": "id"}, "abc"]}, "prefix", {"if": [{"ends_with": [{"var": "id"}, "xyz"]}, "postfix", "none"]}]}`, "prefix", "postfix", "none")
	for id, v := range map[string]string{"abcdef": "prefix", "uvwxyz": "postfix", "abcxyz": "prefix", "lmnopq": "none"} {
		want(t, s, attribute("id", id), v, TargetingMatch)
	}
}

func TestFlagdRefs(t *testing.T) {
	s := one(t, "f", `{"if": [ { "$ref" : "is_ballmer" } , "hi", "bye"]}`, "hi", "bye")
	want(t, s, attribute("email", "ballmer@macrosoft.com"), "hi", TargetingMatch)
	want(t, s, attribute("email", "user@example.com"), "bye", TargetingMatch)
}

func TestFlagdProperties(t *testing.T) {
	s := one(t, "f", `{"if": [{"and": [{"==": [{"var": "$flagd.flagKey"}, "f"]}, {">": [{"var": "$flagd.timestamp"}, 1700000000]}]}, "yes"]}`, "yes")
	want(t, s, attribute("$flagd", map[string]any{"flagKey": "g", "timestamp": 1.0}), "yes", TargetingMatch)
	// The same, left to the library.
	s = one(t, "f", `{"if": [{"==": [{"merge": [{"var": "$flagd.flagKey"}]}, 1]}, "no", {"cat": [{"substr": [{"var": "$flagd.flagKey"}, 0]}]}]}`, "no", "f")
	want(t, s, attribute("$flagd", map[string]any{"flagKey": "g"}), "f", TargetingMatch)
}

// TestFlagdTypes has values of every type, those of zero among them, and the caller's default.
func TestFlagdTypes(t *testing.T) {
	d, err := Parse([]byte(`{"flags": {
		"bool": {"state": "ENABLED", "variants": {"zero": false, "on": true}, "defaultVariant": "zero"},
		"string": {"state": "ENABLED", "variants": {"zero": "", "on": "str"}, "defaultVariant": "zero"},
		"int": {"state": "ENABLED", "variants": {"zero": 0, "on": 10}, "defaultVariant": "on"},
		"float": {"state": "ENABLED", "variants": {"zero": 0.0, "half": 0.5}, "defaultVariant": "half"},
		"object": {"state": "ENABLED", "variants": {"zero": {}, "on": {"a": [1, true, null]}}, "defaultVariant": "on"},
		"null": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": null},
		"none": {"state": "ENABLED", "variants": {"on": true}, "targeting": {}},
		"disabled": {"state": "DISABLED", "variants": {"on": true}, "defaultVariant": "on"},
		"targeted": {"state": "ENABLED", "variants": {"zero": 0, "one": 1}, "targeting": {"if": [{"var": "x"}, "zero"]}, "defaultVariant": "one"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	s := Compile(d)
	if len(s.Problems()) > 0 {
		t.Fatal(s.Problems())
	}
	for key, want := range map[string]string{
		"bool": "false zero STATIC", "string": " zero STATIC", "int": "10 on STATIC", "float": "0.5 half STATIC",
		"object": "map[a:[1 true <nil>]] on STATIC", "null": "<nil>  DEFAULT", "none": "<nil>  DEFAULT", "disabled": "<nil>  DISABLED",
		"targeted": "0 zero TARGETING_MATCH", "missing": "<nil>  ERROR"} {
		e := s.Evaluate(key, attribute("x", true))
		if got := fmt.Sprint(e.Value, " ", e.Variant, " ", e.Reason); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if s.Bool("bool", Context{}, true) || s.String("string", Context{}, "x") != "" || s.Int("int", Context{}, 1) != 10 ||
		s.Float("float", Context{}, 1) != 0.5 || s.Float("int", Context{}, 1) != 10 || s.Int("targeted", Context{}, 7) != 1 {
		t.Error("a getter does not give the value")
	}
	if !s.Bool("string", Context{}, true) || s.String("int", Context{}, "x") != "x" || s.Int("float", Context{}, 7) != 7 ||
		!s.Bool("null", Context{}, true) || !s.Bool("disabled", Context{}, true) || !s.Bool("missing", Context{}, true) {
		t.Error("a getter does not give the caller's default")
	}
	if e := s.Evaluate("missing", Context{}); e.Err != FlagNotFound {
		t.Errorf("a flag that is not there: %+v", e)
	}
}
