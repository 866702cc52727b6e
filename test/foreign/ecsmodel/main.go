// Command ecsmodel reads the input of an operation of Amazon ECS as JSON, and
// holds it to AWS' published model of the API, as the newest SDK for Go has it:
//
//	ecsmodel RegisterTaskDefinition <input.json
//
// Every member must be one that the model knows, of its type; every enum must
// have one of its values; what is required must be there. Nothing is sent. The
// model has no bounds of numbers, so those are not looked at.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/schemas"
	"github.com/aws/smithy-go"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "ecsmodel: which operation?")
		os.Exit(2)
	}
	data, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = check(os.Args[1], data)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ecsmodel:", err)
		os.Exit(1)
	}
	fmt.Printf("a valid %s\n", os.Args[1])
}

func check(operation string, data []byte) error {
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		return err
	}
	switch operation {
	case "RegisterTaskDefinition":
		return hold(schemas.RegisterTaskDefinitionRequest, data, doc, func(c *ecs.Client, in *ecs.RegisterTaskDefinitionInput) error {
			_, err := c.RegisterTaskDefinition(context.Background(), in)
			return err
		})
	case "CreateService":
		return hold(schemas.CreateServiceRequest, data, doc, func(c *ecs.Client, in *ecs.CreateServiceInput) error {
			_, err := c.CreateService(context.Background(), in)
			return err
		})
	case "UpdateService":
		return hold(schemas.UpdateServiceRequest, data, doc, func(c *ecs.Client, in *ecs.UpdateServiceInput) error {
			_, err := c.UpdateService(context.Background(), in)
			return err
		})
	}
	return fmt.Errorf("%s is not known here", operation)
}

// hold checks a document: by the schema, by the enums, and by what the SDK wants
// before it sends a request, which must then say the same as the document.
func hold[T any](schema *smithy.Schema, data []byte, doc any, send func(*ecs.Client, *T) error) error {
	if err := fits(schema, doc, "$"); err != nil {
		return err
	}
	in := new(T)
	dec := json.NewDecoder(bytes.NewReader(data)) // its names differ from the SDK's fields in case alone
	dec.DisallowUnknownFields()
	if err := dec.Decode(in); err != nil {
		return err
	}
	if err := enums(reflect.ValueOf(in), "$"); err != nil {
		return err
	}
	sent, err := caught(func(c *ecs.Client) error { return send(c, in) })
	if err != nil {
		return err
	}
	var again any
	if err := json.Unmarshal(sent, &again); err != nil {
		return err
	}
	if !reflect.DeepEqual(doc, again) {
		return fmt.Errorf("the SDK would send something else:\n%s", sent)
	}
	return nil
}

// fits walks a document and the schema beside it.
func fits(s *smithy.Schema, v any, at string) error {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			member := s.Member(name)
			if s.Type() == smithy.ShapeTypeMap {
				member = s.MapValue()
			}
			if member == nil || s.Type() != smithy.ShapeTypeStructure && s.Type() != smithy.ShapeTypeMap {
				return fmt.Errorf("%s.%s: the model has no such member", at, name)
			}
			if err := fits(member, inner, at+"."+name); err != nil {
				return err
			}
		}
	case []any:
		if s.Type() != smithy.ShapeTypeList {
			return fmt.Errorf("%s: the model has no list here", at)
		}
		for i, inner := range v {
			if err := fits(s.ListMember(), inner, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	default:
		if !plain(s.Type(), v) {
			return fmt.Errorf("%s: %v is not of the model's type (%d)", at, v, s.Type())
		}
	}
	return nil
}

func plain(t smithy.ShapeType, v any) bool {
	switch v := v.(type) {
	case string:
		return t == smithy.ShapeTypeString || t == smithy.ShapeTypeEnum
	case bool:
		return t == smithy.ShapeTypeBoolean
	case float64:
		return t == smithy.ShapeTypeDouble || t == smithy.ShapeTypeFloat ||
			(t == smithy.ShapeTypeInteger || t == smithy.ShapeTypeLong) && v == float64(int64(v))
	}
	return false
}

// enums finds a value that its type does not list. The generated ones have a
// method for that.
func enums(v reflect.Value, at string) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return enums(v.Elem(), at)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				if err := enums(v.Field(i), at+"."+f.Name); err != nil {
					return err
				}
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := enums(v.Index(i), fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case reflect.String:
		return listed(v, at)
	}
	return nil
}

func listed(v reflect.Value, at string) error {
	values := v.MethodByName("Values")
	if !values.IsValid() || v.String() == "" {
		return nil
	}
	all := values.Call(nil)[0]
	for i := range all.Len() {
		if all.Index(i).String() == v.String() {
			return nil
		}
	}
	return fmt.Errorf("%s: the model does not list %q", at, v.String())
}

var errCaught = errors.New("caught")

type catcher struct{ body []byte }

func (c *catcher) Do(q *http.Request) (*http.Response, error) {
	var err error
	if c.body, err = io.ReadAll(q.Body); err != nil {
		return nil, err
	}
	return nil, errCaught
}

// caught gives what the SDK would send.
func caught(send func(*ecs.Client) error) ([]byte, error) {
	var c catcher
	client := ecs.New(ecs.Options{Region: "us-east-1", HTTPClient: &c, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "none", SecretAccessKey: "none"}, nil
		})})
	if err := send(client); !errors.Is(err, errCaught) {
		return nil, err
	}
	return c.body, nil
}
