package ecs

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/smithy-go"
)

// mends are by the code of AWS' error.
var mends = map[string]string{
	"AccessDeniedException":                          "allow the action in the IAM policy of who deploys; docs/ecs.md lists them all",
	"UnrecognizedClientException":                    "AWS does not know these credentials: `aws sts get-caller-identity` shows whose they are",
	"InvalidSignatureException":                      "AWS does not take these credentials: is the secret key the right one, and this machine's clock right?",
	"ExpiredTokenException":                          "the credentials have expired: `aws sso login` gets others",
	"ClusterNotFoundException":                       "name another under ecs.cluster or make it (aws ecs create-cluster --cluster-name NAME); is the region the right one?",
	"ServiceNotFoundException":                       "`segue deploy --to ecs` makes it",
	"ServiceNotActiveException":                      "a service of this name is being deleted: wait until its tasks have ended, then deploy again",
	"PlatformTaskDefinitionIncompatibilityException": "Fargate cannot run the task definition on this platform version",
	"ThrottlingException":                            "AWS wants fewer requests for a while: try again in a minute",
	"UnsupportedFeatureException":                    "ECS does not have this in this region",
	"ServiceDeploymentNotFoundException":             "ECS keeps deployments for 90 days",
}

// explain says of an error what was tried, on what, and how it is mended.
func (c *Cluster) explain(err error, action, on string) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	where := fmt.Sprintf("ecs:%s on %s (cluster %s, %s)", action, on, c.Name, c.Region)
	var api smithy.APIError
	if !errors.As(err, &api) {
		return fmt.Errorf("%s: AWS cannot be asked: %w", where, err)
	}
	mend := mends[api.ErrorCode()]
	if mend != "" {
		mend = "; " + mend
	}
	return &APIError{Action: action, Code: api.ErrorCode(), text: fmt.Sprintf("%s: %s: %s%s", where, api.ErrorCode(), api.ErrorMessage(), mend), err: err}
}

// explained is explain for what may have gone well.
func (c *Cluster) explained(err error, action, on string) error {
	if err == nil {
		return nil
	}
	return c.explain(err, action, on)
}

// An APIError is what AWS has answered with, explained.
type APIError struct {
	Action string // of IAM, without its "ecs:"
	Code   string // as AWS calls it: "AccessDeniedException"
	text   string
	err    error
}

// Error implements error.
func (e *APIError) Error() string { return e.text }

// Unwrap gives the SDK's own error.
func (e *APIError) Unwrap() error { return e.err }
