package ecs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
)

// TaskJSON is the input of `aws ecs register-task-definition --cli-input-json`.
func (r *Rendered) TaskJSON() ([]byte, error) {
	return body(func(ctx context.Context, c *ecs.Client) error {
		_, err := c.RegisterTaskDefinition(ctx, r.Task)
		return err
	})
}

// ServiceJSON is the input of `aws ecs create-service --cli-input-json`.
func (r *Rendered) ServiceJSON() ([]byte, error) {
	return body(func(ctx context.Context, c *ecs.Client) error {
		_, err := c.CreateService(ctx, r.Service)
		return err
	})
}

var errCaught = errors.New("caught")

// catcher takes a request's body, and sends nothing.
type catcher struct{ body []byte }

func (c *catcher) Do(q *http.Request) (*http.Response, error) {
	var err error
	if c.body, err = io.ReadAll(q.Body); err != nil {
		return nil, err
	}
	return nil, errCaught
}

// body has the SDK check and write a request, which is then what the AWS CLI
// takes: they name everything alike. Nothing is sent.
func body(call func(context.Context, *ecs.Client) error) ([]byte, error) {
	var c catcher
	client := ecs.New(ecs.Options{
		Region: "us-east-1", HTTPClient: &c, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "none", SecretAccessKey: "none"}, nil
		}),
	})
	if err := call(context.Background(), client); !errors.Is(err, errCaught) {
		return nil, fmt.Errorf("the request breaks the rules of ECS' API: %w", err)
	}
	var doc any // read and written again, for the SDK sorts nothing
	if err := json.Unmarshal(c.body, &doc); err != nil {
		return nil, err
	}
	return indented(doc)
}

func indented(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return out.Bytes(), err
}
