package kubernetes

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// IsGone reports whether the error says that there is no such object.
func IsGone(err error) bool { return apierrors.IsNotFound(err) }

// IsThere reports whether the error says that the object exists already.
func IsThere(err error) bool { return apierrors.IsAlreadyExists(err) }

// IsStale reports whether the error says that somebody else has changed the
// object since it was read.
func IsStale(err error) bool {
	return apierrors.IsConflict(err) && !errors.As(err, new(*ConflictError))
}

// failed says what was tried, on what, and the mend. The server's own error
// stays within reach of errors.As.
func (c *Cluster) failed(verb string, ref Ref, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	what := fmt.Sprintf("cannot %s %s in namespace %s", verb, ref, c.Namespace)
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return fmt.Errorf("%s: %w; %s", what, err, c.unreachable(err))
	}
	if mend := c.mend(verb, ref, status.Status()); mend != "" {
		return fmt.Errorf("%s: %w; %s", what, err, mend)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// mend is what to do about the server's refusal; "" its words say it, or nobody
// knows.
func (c *Cluster) mend(verb string, ref Ref, s metav1.Status) string {
	switch {
	case s.Reason == metav1.StatusReasonUnauthorized:
		return fmt.Sprintf("the server does not accept the credentials of context %s: log in again", c.Context)
	case s.Reason == metav1.StatusReasonForbidden && strings.Contains(s.Message, "cannot "+verb+" resource"):
		return c.missingRule(verb, ref)
	case s.Reason == metav1.StatusReasonNotFound && s.Details != nil && s.Details.Kind == "namespaces":
		return fmt.Sprintf("make it with kubectl create namespace %s, or name another one (namespace, under kubernetes)", c.Namespace)
	case s.Reason == metav1.StatusReasonNotFound && unknownKind(s):
		return c.unknownKind(ref.Kind)
	case s.Reason == metav1.StatusReasonInvalid && strings.Contains(s.Message, "field is immutable"):
		return fmt.Sprintf("it was made with other values, perhaps not by segue; delete it (kubectl -n %s delete %s %s) and deploy again", c.Namespace, strings.ToLower(ref.Kind), ref.Name)
	}
	return ""
}

// missingRule is the rule of RBAC that would have allowed it.
func (c *Cluster) missingRule(verb string, ref Ref) string {
	r := resources[ref.Kind]
	if strings.HasSuffix(ref.Name, logSuffix) {
		r.plural += logSuffix
	}
	return fmt.Sprintf(`a Role in namespace %s needs the rule {apiGroups: [%q], resources: [%q], verbs: [%q]}, and a RoleBinding must give it to the user of context %s`,
		c.Namespace, r.group, r.plural, verb, c.Context)
}

// unknownKind tells a kind that the server has not from an object that it has
// not: it speaks of no name.
func unknownKind(s metav1.Status) bool {
	return s.Details == nil || s.Details.Name == "" || strings.Contains(s.Message, "the server could not find the requested resource")
}

func (c *Cluster) unknownKind(kind string) string {
	r := resources[kind]
	if r.extra == "" {
		return fmt.Sprintf("the server of context %s does not know %s of %s: is it older than Kubernetes 1.29?", c.Context, kind, r.groupVersion())
	}
	return fmt.Sprintf("the cluster of context %s does not have %s of %s: install %s", c.Context, kind, r.groupVersion(), r.extra)
}

// unreachable says what to do about a server that gave no answer of its own.
func (c *Cluster) unreachable(err error) string {
	var name *net.DNSError
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("the name of the server of context %s (%s) is not known here: is there a network or VPN to be joined?", c.Context, c.Server)
	case errors.As(err, new(x509.UnknownAuthorityError)), errors.As(err, new(x509.HostnameError)), errors.As(err, new(x509.CertificateInvalidError)):
		return fmt.Sprintf("the certificate of %s is not the one that context %s expects: has the cluster been made anew?", c.Server, c.Context)
	case errors.As(err, new(*url.Error)), errors.As(err, new(net.Error)):
		return fmt.Sprintf("is the server of context %s (%s) up, and reachable from here?", c.Context, c.Server)
	}
	return fmt.Sprintf("it was asked of the server of context %s (%s)", c.Context, c.Server)
}
