package image

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// explain says what a registry's refusal means, and the mend.
func explain(tried, registry string, err error) error {
	return fmt.Errorf("%s: %w; %s", tried, err, mend(registry, err))
}

func mend(registry string, err error) string {
	var answer *transport.Error
	var unknown *net.DNSError
	var refused *net.OpError
	var issuer x509.UnknownAuthorityError
	switch {
	case errors.As(err, &answer):
		return mendAnswer(registry, answer)
	case errors.As(err, &unknown):
		return fmt.Sprintf("is %s spelt right, and does its name resolve here?", registry)
	case errors.As(err, &issuer):
		return fmt.Sprintf("%s has a certificate of an authority that this machine does not know: add it to the system's (update-ca-certificates)", registry)
	case errors.As(err, &refused):
		return fmt.Sprintf("does %s run, and can this machine reach it?", registry)
	}
	return "is that a registry (TLS is spoken to all but loopback and private addresses)?"
}

func mendAnswer(registry string, e *transport.Error) string {
	has := func(codes ...transport.ErrorCode) bool {
		return slices.ContainsFunc(e.Errors, func(d transport.Diagnostic) bool { return slices.Contains(codes, d.Code) })
	}
	switch {
	case e.StatusCode == http.StatusUnauthorized:
		return fmt.Sprintf("log in with `docker login %s` (or podman, or the registry's credential helper)", registry)
	case e.StatusCode == http.StatusForbidden || has(transport.DeniedErrorCode):
		return fmt.Sprintf("the account that is logged in to %s may not do that: grant it, or log in with another", registry)
	case has(transport.NameUnknownErrorCode):
		return fmt.Sprintf("%s has no such repository; some registries want it made first (Amazon ECR: aws ecr create-repository)", registry)
	case e.StatusCode == http.StatusNotFound || has(transport.ManifestUnknownErrorCode):
		return fmt.Sprintf("%s has no such image: is its name and tag right?", registry)
	case e.StatusCode == http.StatusTooManyRequests:
		return fmt.Sprintf("%s limits how much may be asked of it: log in, or wait", registry)
	case e.StatusCode >= 500:
		return fmt.Sprintf("that is %s's own failure, and it lasted for three attempts: try again later", registry)
	}
	return "the registry's own words say why"
}
