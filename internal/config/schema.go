package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// Schema returns the JSON Schema (draft 2020-12) of segue.yaml, for editors.
// It is made from the types that the parser decodes into, so that whatever
// Parse accepts, the schema accepts too; what spans several keys only Parse
// checks.
func Schema() ([]byte, error) {
	s, err := schema()
	if err != nil {
		return nil, err
	}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the JSON Schema: %w", err)
	}
	return append(out, '\n'), nil
}

func schema() (*jsonschema.Schema, error) {
	root := reflect.TypeFor[document]()
	s, err := jsonschema.ForType(root, &jsonschema.ForOptions{TypeSchemas: leafSchemas()})
	if err != nil {
		return nil, fmt.Errorf("make the JSON Schema: %w", err)
	}
	refine(root, s)
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = "segue.yaml"
	s.Description = "What Segue runs: one service at the top of the file, or several under services."
	oneOrSeveral(s)
	return s, nil
}

// hasVariable marks text that the parser replaces before it looks at it.
const hasVariable = `\$\{`

func leafSchemas() map[reflect.Type]*jsonschema.Schema {
	scalarTypes := []string{"string", "number", "boolean"}
	word := func() *jsonschema.Schema { return &jsonschema.Schema{Type: "string", MinLength: new(1)} }
	oneOrMore := func(item *jsonschema.Schema) *jsonschema.Schema {
		return &jsonschema.Schema{Types: []string{"string", "array"}, MinLength: new(1), Items: item, MinItems: new(1)}
	}
	return map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[text]():    {Type: "string"},
		reflect.TypeFor[boolean](): {Types: []string{"boolean", "string"}, Pattern: hasVariable},
		reflect.TypeFor[count]():   {Types: []string{"integer", "string"}, Pattern: hasVariable},
		reflect.TypeFor[cores]():   {Types: []string{"number", "string"}, Pattern: hasVariable, Minimum: new(0.01), Maximum: new(100_000.0)},
		reflect.TypeFor[duration](): {Types: []string{"string", "integer"}, Minimum: new(0.0), Maximum: new(0.0),
			Pattern: `^[-+]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$|^[-+]?0$|` + hasVariable},
		reflect.TypeFor[size](): {Types: []string{"string", "number"}, Minimum: new(0.0), Maximum: new(0.0),
			Pattern: `^[0-9]+(\.[0-9]+)? ?(B|[kKMGT]B|[KMGT]iB)$|^0+(\.0+)?$|` + hasVariable},
		reflect.TypeFor[amount](): {Types: []string{"integer", "string"}, Minimum: new(0.0), Maximum: new(10_000.0),
			Pattern: `^\+?[0-9]+%$|` + hasVariable},
		reflect.TypeFor[percentage](): {Type: "string", Pattern: percentText.String() + "|" + hasVariable},
		reflect.TypeFor[number]():     {Types: []string{"number", "string"}, Pattern: hasVariable},
		reflect.TypeFor[headers](): {Type: "object", PropertyNames: &jsonschema.Schema{Pattern: fieldName.String()},
			AdditionalProperties: &jsonschema.Schema{Types: scalarTypes}},
		reflect.TypeFor[share](): {Type: "string", Pattern: `^\+?[0-9]+%$|` + hasVariable},
		reflect.TypeFor[pages](): {Type: "object", PropertyNames: &jsonschema.Schema{Pattern: "^(" + refusalList("|") + ")$"},
			AdditionalProperties: &jsonschema.Schema{Types: scalarTypes, MinLength: new(1)}},
		reflect.TypeFor[clockTime](): {Type: "string", Pattern: clockText.String() + "|" + hasVariable},
		reflect.TypeFor[zoneName]():  word(),
		reflect.TypeFor[moment]():    word(),
		reflect.TypeFor[cronText]():  word(),
		reflect.TypeFor[weekdays]():  oneOrMore(word()),
		reflect.TypeFor[words]():     oneOrMore(word()),
		reflect.TypeFor[addresses](): oneOrMore(word()),
		reflect.TypeFor[address]():   word(),
		reflect.TypeFor[occasions](): oneOrMore(&jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Enum: occasionWords()}, {Type: "string", Pattern: hasVariable}}}),
		reflect.TypeFor[argv]():      oneOrMore(&jsonschema.Schema{Types: scalarTypes}),
		reflect.TypeFor[labels]():    {Type: "object", PropertyNames: &jsonschema.Schema{Pattern: labelName.String()}, AdditionalProperties: &jsonschema.Schema{Type: "string"}},
		reflect.TypeFor[variables](): {Type: "object", PropertyNames: &jsonschema.Schema{Pattern: "^[A-Za-z_][A-Za-z0-9_]*$"},
			AdditionalProperties: &jsonschema.Schema{Types: scalarTypes}},
	}
}

// refine adds to the schema of a struct what its tags say beyond the
// descriptions.
func refine(t reflect.Type, s *jsonschema.Schema) {
	for _, f := range fieldsOf(t) {
		p := s.Properties[keyOf(f)]
		section := sectionOf(f.Type)
		if section == nil {
			refineLeaf(f, p)
			continue
		}
		// The generator allows null for pointers and slices; an empty key is a
		// mistake here.
		if len(p.Types) == 2 {
			p.Type, p.Types = p.Types[1], nil
		}
		switch {
		case f.Type.Kind() == reflect.Slice:
			p.MinItems = new(1)
			p.Items.MinProperties = new(1)
			refine(section, p.Items)
			if _, ok := reflect.New(section).Interface().(shorthand); ok {
				p.Items = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{leafSchemas()[reflect.TypeFor[argv]()], p.Items}}
			}
		case f.Type.Kind() == reflect.Map:
			p.MinProperties = new(1)
			p.AdditionalProperties.Type, p.AdditionalProperties.Types = "object", nil
			p.AdditionalProperties.Required = []string{"release"}
			refine(section, p.AdditionalProperties)
		default:
			refine(section, p)
		}
	}
	switch t {
	case reflect.TypeFor[release]():
		s.Required = []string{"command"}
	case reflect.TypeFor[hook](), reflect.TypeFor[preparation]():
		s.Required = []string{"run"}
	case reflect.TypeFor[mirror]():
		s.Required = []string{"to"}
	case reflect.TypeFor[freeze]():
		s.Required = []string{"from", "to"}
	case reflect.TypeFor[source]():
		s.Required = []string{"repo"}
	case reflect.TypeFor[rate]():
		s.Required = []string{"requests"}
	case reflect.TypeFor[tlsSettings]():
		s.OneOf = []*jsonschema.Schema{{Required: []string{"cert", "key"}}, {Required: []string{"acme"}}}
	case reflect.TypeFor[acme]():
		s.Required = []string{"agree"}
	case reflect.TypeFor[check]():
		for _, kind := range []string{"exec", "http", "prometheus"} {
			s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{kind}})
		}
	case reflect.TypeFor[probe](), reflect.TypeFor[startup]():
		for _, kind := range []string{"http", "tcp", "exec"} {
			s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{kind}})
		}
		if s.Properties["notify"] != nil {
			s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{"notify"}})
		}
	}
}

func refineLeaf(f reflect.StructField, s *jsonschema.Schema) {
	if low, err := strconv.ParseFloat(f.Tag.Get("min"), 64); err == nil {
		s.Minimum = &low
	}
	if high, err := strconv.ParseFloat(f.Tag.Get("max"), 64); err == nil {
		s.Maximum = &high
	}
	if def, ok := f.Tag.Lookup("default"); ok {
		s.Default = jsonOf(&node{text: def, plain: true})
	}
	if enum := f.Tag.Get("enum"); enum != "" {
		var all []any
		for _, word := range strings.Split(enum, "|") {
			all = append(all, word)
			if prefix := f.Tag.Get("prefix"); prefix != "" {
				all = append(all, prefix+word)
			}
		}
		s.AnyOf = []*jsonschema.Schema{{Enum: all}, {Pattern: hasVariable}}
	}
}

// jsonOf writes a scalar as JSON.
func jsonOf(n *node) json.RawMessage {
	if n.isBool() || n.isNumber() {
		return json.RawMessage(n.text)
	}
	out, _ := json.Marshal(n.text) // a string always marshals
	return out
}

// oneOrSeveral tells the two forms of the file apart: with services, nothing of
// a single service stands at the top.
func oneOrSeveral(s *jsonschema.Schema) {
	several := &jsonschema.Schema{Enum: []any{"services", "metrics", "ofrep", "access_log"}}
	for _, key := range shared {
		several.Enum = append(several.Enum, key)
	}
	s.If = &jsonschema.Schema{Required: []string{"services"}}
	s.Then = &jsonschema.Schema{PropertyNames: several}
	s.Else = &jsonschema.Schema{Required: []string{"service", "release"}}
	s.Properties["services"].PropertyNames = &jsonschema.Schema{Pattern: `^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`}
}
