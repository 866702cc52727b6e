package featureflag

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
)

// ruleSeeds have every operator, with what it is made for and what not.
var ruleSeeds = []string{
	`{"if":[{"==":[{"fractional":[["on",2550],["",7450]]},"on"]},"on",null]}`,
	`{"if":[{"==":[{"fractional":[["on",2550],["",7450]]},"on"]},"on",{"if":[{"in":[{"var":"plan"},["gold","lead"]]},"on"]}]}`,
	`{"fractional":[{"cat":[{"var":"$flagd.flagKey"},{"var":"email"}]},["a",1],["b",2],["c"]]}`,
	`{"fractional":[{"var":"email"},["a",1],["b",2],[{"var":"plan"},3]]}`,
	`{"fractional":[{"cat":["x",true]},["a",1]]}`, `{"fractional":[{"var":"n"},["a",1]]}`, `{"fractional":["s",["a",-1],["b",1]]}`,
	`{"fractional":[["a",1.5]]}`, `{"fractional":[["a",null],[null,2],[true,3],[4,4]]}`, `{"fractional":[[["a"],1]]}`, `{"fractional":[null,["a"]]}`,
	`{"==":[{"var":"n"},"7"]}`, `{"==":[{"var":"n"},7]}`, `{"==":[{"var":"none"},null]}`, `{"==":[{"var":"none"},0]}`, `{"==":[true,1]}`, `{"==":["","0"]}`, `{"==":[[],[]]}`,
	`{"!=":[{"var":"n"},7]}`, `{"===":[{"var":"n"},"7"]}`, `{"===":[null,null]}`, `{"!==":[{"var":"list"},{"var":"list"}]}`, `{"===":[{"var":"user"},{"var":"user"}]}`,
	`{"<":[{"var":"n"},8]}`, `{"<":[1,{"var":"n"},10]}`, `{"<=":[7,{"var":"n"},7]}`, `{">":["b","a"]}`, `{">=":[{"var":"none"},0]}`, `{">":[{"var":"user"},0]}`, `{"<":["x",1]}`, `{"<":[1,2,3,4]}`, `{"<":[1]}`,
	`{"and":[{"var":"n"},{"var":"plan"}]}`, `{"or":[{"var":"none"},{"var":"zero"},{"var":"plan"}]}`, `{"and":[]}`, `{"or":[false,[]]}`, `{"and":true}`,
	`{"!":{"var":"list"}}`, `{"!":[{"var":"list"}]}`, `{"!":[[]]}`, `{"!!":{"var":"user"}}`, `{"!":[]}`, `{"!!":[""]}`, `{"!":"x"}`, `{"!":{"var":"none"}}`, `{"!!":[1,2]}`, `{"!":[true,false]}`,
	`{"if":[]}`, `{"if":[true]}`, `{"if":[false,1]}`, `{"if":[false,1,true,2]}`, `{"if":[{"var":"none"},1,{"var":"zero"},2,3]}`, `{"?:":[true,"a","b"]}`, `{"if":true}`, `{"if":[true,{"var":"user"}]}`, `{"if":[true,{"a":1,"b":2}]}`,
	`{"var":"user.name"}`, `{"var":"user.tags.1"}`, `{"var":"user.tags.x"}`, `{"var":"user.tags.9"}`, `{"var":["none","d"]}`, `{"var":["user.none",7]}`, `{"var":""}`, `{"var":"targetingKey"}`, `{"var":"targetingKey.x"}`,
	`{"var":"$flagd.flagKey"}`, `{"var":"$flagd"}`, `{"var":"$flagd.none"}`, `{"var":"$flagd.flagKey.x"}`, `{"var":"a..b"}`, `{"var":"."}`, `{"var":1}`, `{"var":[]}`, `{"var":["plan","x","y"]}`, `{"var":{"var":"which"}}`, `{"var":null}`, `{"var":"plan.x"}`, `{"var":[["plan"]]}`, `{"var":true}`,
	`{"in":[{"var":"plan"},["silver","gold"]]}`, `{"in":["a",{"var":"plan"}]}`, `{"in":[{"var":"none"},"x"]}`, `{"in":[{"var":"n"},[1,"7",3]]}`, `{"in":[{"var":"n"},[[1,5],[6,8]]]}`, `{"in":[{"var":"n"},[true]]}`,
	`{"in":["gold",{"var":"user.tags"}]}`, `{"in":[null,[null]]}`, `{"in":[true,[false,true]]}`, `{"in":[{"var":"user"},[{"a":1,"b":2}]]}`, `{"in":[{"var":"list"},[1]]}`, `{"in":["x"]}`, `{"in":["x",{"var":"none"}]}`, `{"in":["x",{"var":"user"}]}`, `{"in":["5",[["a"]]]}`, `{"in":["5",[[1,9]]]}`,
	`{"in":[{"var":"plan"},["a","b","c","d","e","f","g","gold"]]}`, `{"in":[{"var":"n"},["a","b","c","d","e","f","g","7"]]}`, `{"in":[{"var":"zero"},["a","b","c","d","e","f","g","h"]]}`, `{"in":[{"var":"list"},["a","b","c","d","e","f","g","h"]]}`,
	`{"starts_with":[{"var":"email"},"me@"]}`, `{"ends_with":[{"var":"email"},".org"]}`, `{"starts_with":[{"var":"n"},"7"]}`, `{"starts_with":["a"]}`, `{"ends_with":"a"}`,
	`{"sem_ver":[{"var":"version"},">=","1.2"]}`, `{"sem_ver":[{"var":"n"},"^","7.1"]}`, `{"sem_ver":[{"var":"version"},"~","v1.2.0"]}`, `{"sem_ver":["x","=","1"]}`, `{"sem_ver":["1",2,"1"]}`, `{"sem_ver":[null,"=","1"]}`,
	`{"cat":[" a ",{"var":"n"},null]}`, `{"cat":[" a "]}`, `{"cat":"x"}`, `{"cat":[]}`, `{"cat":[true,1]}`, `{"cat":[1.5,"x"]}`, `{"cat":{"var":"plan"}}`, `{"cat":{"var":"list"}}`,
	`{"substr":[{"var":"plan"},1,2]}`, `{"missing":["plan","none"]}`, `{"missing_some":[1,["plan","none"]]}`, `{"merge":[[1],{"var":"list"}]}`, `{"max":[1,{"var":"n"}]}`, `{"min":[1,2]}`,
	`{"+":[{"var":"n"},1]}`, `{"-":[{"var":"n"}]}`, `{"*":[2,{"var":"n"}]}`, `{"/":[{"var":"n"},2]}`, `{"%":[{"var":"n"},2]}`, `{"abs":[-3]}`,
	`{"some":[{"var":"list"},{"==":[{"var":""},2]}]}`, `{"all":[{"var":"list"},{">":[{"var":""},0]}]}`, `{"none":[{"var":"list"},{"==":[{"var":""},9]}]}`, `{"filter":[{"var":"list"},{">":[{"var":""},1]}]}`, `{"map":[{"var":"list"},{"*":[{"var":""},2]}]}`, `{"reduce":[{"var":"list"},{"+":[{"var":"current"},{"var":"accumulator"}]},0]}`,
	`{"contains_any":[{"var":"user.tags"},["gold"]]}`, `[{"var":"plan"},1]`, `"on"`, `7`, `true`, `null`, `{"a":1,"b":2}`, `[]`,
	`{"if":[true,{"var":"trap"}]}`, `{"==":[{"var":"trap"},1]}`, `{"some":[{"var":"traps"},{"var":"x"}]}`, `{"!":{"var":"trap"}}`,
}

// someone has every kind of attribute, and some that look like operators.
func someone() map[string]any {
	var m map[string]any
	err := json.Unmarshal([]byte(`{"plan": "gold", "email": "me@example.org", "n": 7, "zero": 0, "yes": true, "empty": "", "version": "1.2.3", "which": "plan",
		"list": [1, 2, 3], "user": {"name": "ada", "tags": ["gold", "x"], "deep": {"a": {"b": 1}}}, "a": {"b": "c"}, "1": "one",
		"trap": {"if": [true, {"var": "trap"}]}, "traps": [{"x": {"map": [1]}}], "nothing": null}`), &m)
	if err != nil {
		panic(err)
	}
	return m
}

// alike holds the compiled rule to the library's answer.
func alike(t testing.TB, rule string, c Context) {
	t.Helper()
	tree, err := newResolver(nil).targeting(json.RawMessage(rule))
	if err != nil || check(tree, false) != nil {
		return
	}
	e := env{flag: "flag", key: c.Key, attributes: c.Attributes}
	want := library(tree)(e)
	got := compile(tree)(e)
	if got.kind != want.kind || want.kind != failed && !reflect.DeepEqual(got.asAny(), want.asAny()) {
		// The library's objects have the second key that keeps them from being operators.
		if g, w := got.asAny(), want.asAny(); got.kind == other && want.kind == other && fmt.Sprint(strip(g)) == fmt.Sprint(strip(w)) {
			return
		}
		t.Errorf("%s for %v:\ncompiled %v %v\nlibrary  %v %v", rule, c, got.kind, got, want.kind, want)
	}
}

func strip(x any) any {
	switch t := x.(type) {
	case []any:
		list := make([]any, len(t))
		for i := range t {
			list[i] = strip(t[i])
		}
		return list
	case map[string]any:
		m := map[string]any{}
		for k, x := range t {
			if k != filler {
				m[k] = strip(x)
			}
		}
		return m
	}
	return x
}

func TestCompiledIsTheLibrary(t *testing.T) {
	for _, rule := range ruleSeeds {
		alike(t, rule, Context{Key: "me", Attributes: someone()})
		alike(t, rule, Context{})
		alike(t, `{"if":[`+rule+`,"a","b"]}`, Context{Key: "you", Attributes: someone()})
	}
}

// TestCompiledIsTheLibraryAtRandom puts the operators together as nobody would.
func TestCompiledIsTheLibraryAtRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 5_000 {
		rule, err := json.Marshal(anyRule(random, 4))
		if err != nil {
			t.Fatal(err)
		}
		who := Context{Key: []string{"", "me"}[random.IntN(2)], Attributes: someone()}
		alike(t, string(rule), who)
		alike(t, `{"if":[`+string(rule)+`,"yes","no"]}`, who)
		if t.Failed() {
			return
		}
	}
}

var randomOperators = []string{"if", "?:", "and", "or", "!", "!!", "==", "===", "!=", "!==", "<", "<=", ">", ">=", "in", "cat",
	"fractional", "starts_with", "ends_with", "sem_ver", "var", "+", "merge", "max"}

func anyRule(r *rand.Rand, depth int) any {
	leaves := []any{nil, true, false, 0.0, 1.0, 7.0, -2.5, "", "gold", "7", "me@", "1.2.3", ">=", "plan", []any{}, []any{1.0, "gold"}, []any{"a", 2.0}, []any{[]any{1.0, 9.0}}}
	names := []string{"plan", "n", "zero", "list", "user", "user.name", "user.tags.0", "none", "nothing", "empty", "targetingKey", "$flagd.flagKey", "version", "trap", "yes"}
	switch {
	case depth == 0 || r.IntN(5) == 0:
		return leaves[r.IntN(len(leaves))]
	case r.IntN(3) == 0:
		return map[string]any{"var": names[r.IntN(len(names))]}
	case r.IntN(12) == 0:
		return []any{anyRule(r, depth-1), anyRule(r, depth-1)}
	}
	args := make([]any, r.IntN(4))
	for i := range args {
		args[i] = anyRule(r, depth-1)
	}
	var arg any = args
	if len(args) > 0 && r.IntN(8) == 0 {
		arg = args[0]
	}
	return map[string]any{randomOperators[r.IntN(len(randomOperators))]: arg}
}

func FuzzCompiledIsTheLibrary(f *testing.F) {
	context, err := json.Marshal(someone())
	if err != nil {
		f.Fatal(err)
	}
	for _, rule := range ruleSeeds {
		f.Add(rule, "me", string(context))
	}
	f.Fuzz(func(t *testing.T, rule, key, context string) {
		var attributes map[string]any
		if json.Unmarshal([]byte(context), &attributes) != nil {
			t.Skip()
		}
		alike(t, rule, Context{Key: key, Attributes: attributes})
	})
}
