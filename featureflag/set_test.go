package featureflag

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// hot are the flags that a service asks for at every request.
const hot = `{"flags": {
	"static":     {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on"},
	"killed":     {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"},
	"disabled":   {"state": "DISABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"},
	"ramp":       {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
		"targeting": {"if": [{"==": [{"fractional": [["on", 2550], ["", 7450]]}, "on"]}, "on", null]}},
	"ramp-over":  {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
		"targeting": {"if": [{"==": [{"fractional": [["on", 2550], ["", 7450]]}, "on"]}, "on", {"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "on"]}]}},
	"fractional": {"state": "ENABLED", "variants": {"a": true, "b": false}, "targeting": {"fractional": [["a", 50], ["b", 50]]}},
	"seeded":     {"state": "ENABLED", "variants": {"a": true, "b": false},
		"targeting": {"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "email"}]}, ["a", 50], ["b", 50]]}},
	"equal":      {"state": "ENABLED", "variants": {"on": true}, "targeting": {"if": [{"==": [{"var": "plan"}, "gold"]}, "on", null]}},
	"in":         {"state": "ENABLED", "variants": {"on": true}, "targeting": {"if": [{"in": [{"var": "plan"}, ["silver", "gold"]]}, "on", null]}},
	"prefix":     {"state": "ENABLED", "variants": {"on": true}, "targeting": {"if": [{"starts_with": [{"var": "email"}, "ada@"]}, "on", null]}},
	"both":       {"state": "ENABLED", "variants": {"on": true},
		"targeting": {"if": [{"and": [{"!": {"var": "guest"}}, {"or": [{"==": [{"var": "n"}, 7]}, {"var": "never"}]}, {">": [{"var": "user.age"}, 17]}]}, "on", null]}}}}`

var hotKeys = []string{"static", "killed", "disabled", "ramp", "ramp-over", "fractional", "seeded", "equal", "in", "prefix", "both"}

func hotContext() Context {
	return Context{Key: "5c3d8535-f81a-4478-a6d3-afaa4d51199e", Attributes: map[string]any{
		"email": "ada@example.com", "plan": "gold", "guest": false, "n": 7, "user": map[string]any{"age": 42.0}}}
}

func parsed(t testing.TB, document string) *Set {
	t.Helper()
	d, err := Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return Compile(d)
}

func TestNoAllocations(t *testing.T) {
	s, c := parsed(t, hot), hotContext()
	for key, err := range s.Problems() {
		t.Errorf("%s: %v", key, err)
	}
	for _, key := range hotKeys {
		if n := testing.AllocsPerRun(100, func() { s.Bool(key, c, false) }); n != 0 {
			t.Errorf("%s: %v allocations", key, n)
		}
		if n := testing.AllocsPerRun(100, func() { s.Evaluate(key, c) }); n != 0 {
			t.Errorf("%s: %v allocations with details", key, n)
		}
	}
	for _, key := range []string{"equal", "in", "prefix", "both", "static"} {
		if !s.Bool(key, c, false) {
			t.Errorf("%s is off: %+v", key, s.Evaluate(key, c))
		}
	}
}

// TestRampOnlyAdds: who has the variant keeps it while its share grows, and the share
// is what it says.
func TestRampOnlyAdds(t *testing.T) {
	const users = 20_000
	had := make([]bool, users)
	for _, percent := range []float64{0.5, 1, 5, 10, 25, 25.5, 50, 75, 99, 100} {
		d := Definition{State: Enabled, Variants: map[string]json.RawMessage{"on": json.RawMessage("true"), "off": json.RawMessage("false")}, DefaultVariant: &[]string{"off"}[0]}
		s := Compile(InForce([]Flag{{Key: "new", Definition: d, Ramp: &Ramp{Variant: "on", Percent: percent}}}, nil))
		n := 0
		for i := range had {
			on := s.Bool("new", For(fmt.Sprint("user-", i)), false)
			if had[i] && !on {
				t.Fatalf("user %d lost it at %v %%", i, percent)
			}
			if had[i] = on; on {
				n++
			}
		}
		if share := 100 * float64(n) / users; share < percent*0.8-0.2 || share > percent*1.2+0.2 { // the same users each time: no luck in it
			t.Errorf("%v %% of users have it, want %v", share, percent)
		}
	}
}

func TestRampOverEmptyTargeting(t *testing.T) {
	d := Definition{State: Enabled, Variants: map[string]json.RawMessage{"on": json.RawMessage("true"), "off": json.RawMessage("false")}, DefaultVariant: &[]string{"off"}[0],
		Targeting: json.RawMessage("{ }")}
	s := Compile(InForce([]Flag{{Key: "new", Definition: d, Ramp: &Ramp{Variant: "on", Percent: 1}}}, nil))
	for i := range 100 {
		if e := s.Evaluate("new", For(fmt.Sprint(i))); e.Err != "" {
			t.Fatalf("%+v", e)
		}
	}
}

func TestProblems(t *testing.T) {
	deep := strings.Repeat(`{"!":[`, 300) + `1` + strings.Repeat(`]}`, 300)
	wide := `{"in": [1, [` + strings.Repeat("1,", 100_000) + `1]]}`
	evaluators := map[string]json.RawMessage{"a": json.RawMessage(`{"$ref": "b"}`), "b": json.RawMessage(`{"!": [{"$ref": "a"}]}`),
		"me": json.RawMessage(`{"!": {"$ref": "me"}}`), "broken": json.RawMessage(`{`), "x0": json.RawMessage(`[1,1,1,1,1,1,1,1,1,1]`)}
	for i := range 12 { // a billion of them and more
		evaluators[fmt.Sprint("x", i+1)] = json.RawMessage("[" + strings.Repeat(fmt.Sprintf(`{"$ref":"x%d"},`, i), 9) + fmt.Sprintf(`{"$ref":"x%d"}]`, i))
	}
	flag := func(targeting string) string {
		return `{"state": "ENABLED", "variants": {"on": true}, "targeting": ` + targeting + `}`
	}
	for _, c := range []struct{ flag, want string }{
		{flag(`{"starts_wth": ["a", "b"]}`), `there is no operator "starts_wth"`},
		{flag(`{"if": [false, {"nonsense": 1}]}`), `there is no operator "nonsense"`},
		{flag(`{"$ref": "none"}`), `$ref "none": there is no such one`},
		{flag(`{"$ref": 1}`), `$ref 1 is no name`},
		{flag(`{"$ref": "a"}`), "refers to itself"},
		{flag(`{"$ref": "me"}`), "refers to itself"},
		{flag(`{"$ref": "broken"}`), `$ref "broken"`},
		{flag(`{"$ref": "x12"}`), "more than 100000 values"},
		{flag(deep), "more than 200 levels"},
		{flag(wide), "more than 100000 values"},
		{flag(`{"map": [[1], {"map": [[1], 1]}]}`), "for ever"},
		{`{"variants": {"on": true}}`, `state "" is neither`},
		{`{"state": "ENABLED"}`, "no variants"},
		{`{"state": "ENABLED", "variants": {"on": true, "off": 0}}`, `variants "off" and "on" are not of one type`},
		{`{"state": "ENABLED", "variants": {"on": null}}`, "null"},
		{`{"state": "ENABLED", "variants": {"on": 9007199254740993}}`, "beyond"},
		{`{"state": "ENABLED", "variants": {"": 1}}`, "no name"},
		{`{"state": "ENABLED", "variants": {"on": 1}, "defaultVariant": "no"}`, `defaultVariant "no"`},
		{`{"state": "ENABLED", "variants": {"on": 1}, "metadata": {"importance": "hihg"}}`, `importance "hihg"`},
		{`{"state": "ENABLED", "variants": {"on": 1}, "metadata": {"public": "yes"}}`, "public yes"},
		{`{"state": "ENABLED", "variants": {"on": 1}, "metadata": {"off": "no"}}`, "off no"},
	} {
		var d Definition
		if err := json.Unmarshal([]byte(c.flag), &d); err != nil {
			t.Fatal(err)
		}
		good := Definition{State: Enabled, Variants: map[string]json.RawMessage{"on": json.RawMessage("true")}, DefaultVariant: &[]string{"on"}[0]}
		s := Compile(Definitions{Flags: map[string]Definition{"f": d, "good": good}, Evaluators: evaluators})
		err := s.Problems()["f"]
		if err == nil || !strings.Contains(err.Error(), c.want) || len(s.Problems()) != 1 {
			t.Errorf("%.200s: %v, want %s", c.flag, s.Problems(), c.want)
		}
		if e := s.Evaluate("f", Context{}); e.Err != ParseError || !strings.Contains(e.Detail, c.want) || !s.Bool("good", Context{}, false) {
			t.Errorf("%.200s: %+v", c.flag, e)
		}
	}
}

// TestDeep: what is within the limits is compiled and evaluated at once, however it is nested.
func TestDeep(t *testing.T) {
	for _, around := range []string{`{"if": [%s, "a", "b"]}`, `{"if": [{"and": [%s, 1]}, "a", "b"]}`, `{"if": [{"==": [%s, "a"]}, "a", "b"]}`,
		`{"!": [%s]}`, `{"!": %s}`, `{"or": [{"and": [%s, 1]}, 2]}`, `{"fractional": [{"cat": ["x", %s]}, ["a", 1], ["b", 1]]}`, `{"fractional": [%s, ["a", 1], ["b", 1]]}`,
		`{"fractional": [["a", %s], ["b", 1]]}`, `{"in": [%s, ["a"]]}`, `{"merge": [%s, %[1]s]}`, `{"substr": [%s, 0]}`} {
		rule := `{"var": "x"}`
		for {
			next := fmt.Sprintf(around, rule)
			tree, err := newResolver(nil).targeting(json.RawMessage(next))
			if err != nil || check(tree, false) != nil || len(next) > 20_000 {
				break
			}
			rule = next
		}
		alike(t, rule, Context{Key: "me", Attributes: map[string]any{"x": "a"}})
	}
}

// TestHostileEvaluation: what a definition or a context makes huge ends with an error.
func TestHostileEvaluation(t *testing.T) {
	list := make([]any, 2*maxContext)
	for i := range list {
		list[i] = "x"
	}
	cyclic := map[string]any{"a": "x"}
	cyclic["me"] = cyclic
	nested := any("x")
	for range 5000 {
		nested = []any{nested}
	}
	for targeting, c := range map[string]Context{
		`{"reduce": [{"var": "list"}, {"cat": [{"var": "accumulator"}, {"var": "accumulator"}]}, "x"]}`: {Attributes: map[string]any{"list": list[:1000]}},
		`{"merge": [{"var": "list"}]}`:   {Attributes: map[string]any{"list": list}},
		`{"merge": [{"var": "me"}]}`:     {Attributes: cyclic},
		`{"merge": [{"var": "nested"}]}`: {Attributes: map[string]any{"nested": nested}},
		`{"substr": ["x", 5, 1]}`:        {},
		`{"+": [{"var": "x"}, true]}`:    {},
		`{"cat": [{"var": "list"}, ""]}`: {Attributes: map[string]any{"list": list}},
		`{"var": "trap"}`:                {Attributes: map[string]any{"trap": map[string]any{"var": "trap"}}},
	} {
		e := one(t, "f", targeting).Evaluate("f", c)
		if e.Err == "" || e.Detail == "" {
			t.Errorf("%s: %+v", targeting, e)
		}
	}
	// Evaluated by the library as it stands, this would end the process.
	trap := map[string]any{"if": []any{true, map[string]any{"var": "trap"}}}
	s := one(t, "f", `{"merge": [1, {"if": [true, {"var": "trap"}]}]}`)
	s.Evaluate("f", Context{Attributes: map[string]any{"trap": trap}})
}

func TestParse(t *testing.T) {
	for document, want := range map[string]string{
		"":                       "unexpected end",
		"{\n  \"flags\": {,}\n}": "line 2, column 13: invalid character ','",
		"{}":                     `there is no "flags"`,
		`{"flags": null}`:        `there is no "flags"`,
		`{"flags": 1}`:           "line 1, column 11",
		"{\"flags\": {\n \"a\": {\"state\": 1}}}":    "flag \"a\": line 2, column 17: state: of type number",
		`{"flags": [{"state": "ENABLED"}]}`:          `flag 1 of the list has no "key"`,
		`{"flags": [{"key": "a"}, {"key": "a"}]}`:    `two flags "a"`,
		`{"flags": {"": {}}}`:                        "no name",
		`[]`:                                         "of type array",
		strings.Repeat(`{"flags":`, 20_000) + "1":    "depth",
		`{"flags": {"a": {"variants": {"x": tru}}}}`: "line 1, column 39",
	} {
		_, err := Parse([]byte(document))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", document, err, want)
		}
	}
	d, err := Parse([]byte(`{"$schema": "s", "whatever": 1, "flags": [{"key": "a", "state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on", "later": 2}], "metadata": {"v": 1}}`))
	if err != nil || !Compile(d).Bool("a", Context{}, false) || d.Metadata["v"] != 1.0 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestParseWhatIsGiven(t *testing.T) {
	s := parsed(t, hot)
	again := parsed(t, string(s.JSON()))
	if again.ETag() != s.ETag() || !reflect.DeepEqual(again.Keys(), s.Keys()) || len(s.Difference(again)) > 0 {
		t.Errorf("%s\n%s", s.JSON(), again.JSON())
	}
	if tag := s.ETag(); tag[0] != '"' || tag == parsed(t, `{"flags": {}}`).ETag() {
		t.Errorf("ETag %s", tag)
	}
}

// TestDocumentOfWhatIsNoJSON: one flag that a program got wrong takes no other with it.
func TestDocumentOfWhatIsNoJSON(t *testing.T) {
	good := Definition{State: Enabled, Variants: map[string]json.RawMessage{"on": json.RawMessage("true")}, DefaultVariant: &[]string{"on"}[0]}
	bad, worse := good, good
	bad.Targeting = json.RawMessage(`{"`)
	worse.Metadata = map[string]any{"f": func() {}}
	s := Compile(Definitions{Flags: map[string]Definition{"good": good, "bad": bad, "worse": worse}, Metadata: map[string]any{"c": make(chan int)}})
	if keys := parsed(t, string(s.JSON())).Keys(); !reflect.DeepEqual(keys, []string{"good"}) || !s.Bool("good", Context{}, false) || s.Evaluate("bad", Context{}).Err != ParseError {
		t.Errorf("%s", s.JSON())
	}
}

func TestPublicAndDifference(t *testing.T) {
	a := parsed(t, `{"flags": {"a": {"state": "ENABLED", "variants": {"on": true}, "metadata": {"public": true}}, "b": {"state": "ENABLED", "variants": {"on": true}}}}`)
	b := parsed(t, `{"flags": {"a": {"state": "DISABLED", "variants": {"on": true}}, "c": {"state": "ENABLED", "variants": {"on": true}}}}`)
	public, again := a.Public(), a.Public()
	if keys := public.Keys(); !reflect.DeepEqual(keys, []string{"a"}) || public != again || len(b.Public().Keys()) != 0 {
		t.Errorf("public: %v, %v", keys, b.Public().Keys())
	}
	if keys := b.Difference(a); !reflect.DeepEqual(keys, []string{"a", "b", "c"}) {
		t.Errorf("%v", keys)
	}
	var none *Set
	if len(none.Keys())+len(none.Problems())+len(none.Public().Keys())+len(none.Difference(nil)) > 0 || none.Metadata() != nil || none.Bool("a", Context{}, true) != true ||
		none.Evaluate("a", Context{}).Err != FlagNotFound || string(none.JSON()) != `{"flags":{}}` || none.ETag() == "" {
		t.Error("nil is not the empty Set")
	}
}

func TestImportance(t *testing.T) {
	order := []Importance{Low, Normal, High, Critical}
	for i, a := range order {
		if b, err := ParseImportance(a.String()); err != nil || a != b {
			t.Errorf("%v: %v, %v", a, b, err)
		}
		if i > 0 && (!order[i-1].Before(a) || a.Before(order[i-1])) {
			t.Errorf("%v is not before %v", order[i-1], a)
		}
	}
	if i, err := ParseImportance(""); i != Normal || err != nil {
		t.Error("no word is not normal")
	}
	if _, err := ParseImportance("urgent"); err == nil {
		t.Error("urgent")
	}
	if i := (Definition{Metadata: map[string]any{"importance": "high"}}).Importance(); i != High {
		t.Error(i)
	}
}

func FuzzDocument(f *testing.F) {
	f.Add(hot, "me", `{"plan": "gold"}`)
	for _, rule := range ruleSeeds {
		f.Add(`{"flags": {"f": {"state": "ENABLED", "variants": {"on": true}, "targeting": `+rule+`}}, "$evaluators": {"a": `+rule+`}}`, "me", `{"list": [1, {"a": 2}]}`)
	}
	f.Fuzz(func(t *testing.T, document, key, attributes string) {
		d, err := Parse([]byte(document))
		if err != nil {
			return
		}
		c := Context{Key: key}
		_ = json.Unmarshal([]byte(attributes), &c.Attributes)
		s := Compile(d)
		for _, k := range s.Keys() {
			if e := s.Evaluate(k, c); e.Err == "" && e.Reason == "" {
				t.Errorf("%+v", e)
			}
		}
		if _, err := Parse(s.JSON()); err != nil {
			t.Errorf("its own document: %v\n%s", err, s.JSON())
		}
	})
}
