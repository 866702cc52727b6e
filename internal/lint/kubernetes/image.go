package kubernetes

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/seguehq/segue/internal/lint"
)

// An Image is a reference taken apart: REPOSITORY[:TAG][@DIGEST].
type Image struct {
	Repository, Tag, Digest string
}

func parseImage(ref string) Image {
	var i Image
	ref, i.Digest, _ = strings.Cut(ref, "@")
	if colon := strings.LastIndexByte(ref, ':'); colon > strings.LastIndexByte(ref, '/') {
		ref, i.Tag = ref[:colon], ref[colon+1:]
	}
	i.Repository = ref
	return i
}

// Base is the last part of the repository.
func (i Image) Base() string { return i.Repository[strings.LastIndexByte(i.Repository, '/')+1:] }

// KeepsData says that the pods run a database, a cache or a queue. How one is
// replaced without a loss is told by its own manual (replication, fail-over), not
// by rules for servers of requests.
func (x *Workload) KeepsData() bool {
	for _, c := range x.Containers() {
		if p := c.Running().Program; p != nil && p.Role == lint.Store || slices.ContainsFunc(c.Ports, ofStore) {
			return true
		}
	}
	return false
}

// ofStore knows a database by its port: its image may be somebody's own.
func ofStore(p corev1.ContainerPort) bool {
	switch p.ContainerPort {
	case 1433, 1521, 2181, 2379, 3306, 5432, 5672, 6379, 6380, 9042, 9092, 11211, 26257, 26379, 27017:
		return true
	}
	return false
}

// withoutShell says that an image is known to have neither a shell nor `sleep`.
func withoutShell(ref string) bool {
	i := parseImage(ref)
	if strings.Contains(i.Tag, "debug") || strings.Contains(i.Tag, "dev") {
		return false
	}
	return strings.HasPrefix(i.Repository, "gcr.io/distroless/") || strings.HasPrefix(i.Repository, "cgr.dev/chainguard/") ||
		i.Repository == "scratch" || strings.Contains(i.Base()+":"+i.Tag, "distroless") || strings.Contains(i.Tag, "chiseled")
}

// proxyOf names the proxy that a container is, or "": what only stands between
// the program and its network.
func proxyOf(c *corev1.Container) string {
	repository := "/" + parseImage(c.Image).Repository
	for _, p := range [...]struct{ image, name string }{
		{"/proxyv2", "Istio's proxy"},
		{"/linkerd/proxy", "Linkerd's proxy"},
		{"/envoy", "Envoy"},
		{"/envoy-distroless", "Envoy"},
		{"/aws-appmesh-envoy", "Envoy"},
		{"/consul-dataplane", "Consul's proxy"},
		{"/kuma-dp", "Kuma's proxy"},
		{"/daprd", "Dapr's sidecar"},
		{"/cloud-sql-proxy", "the Cloud SQL proxy"},
		{"/cloudsql-docker/gce-proxy", "the Cloud SQL proxy"},
		{"/alloydb-auth-proxy", "the AlloyDB proxy"},
		{"/pgbouncer", "PgBouncer"},
		{"/oauth2-proxy", "OAuth2 Proxy"},
	} {
		if strings.HasSuffix(repository, p.image) {
			return p.name
		}
	}
	switch c.Name {
	case "istio-proxy", "linkerd-proxy", "envoy-sidecar", "cloud-sql-proxy", "cloudsql-proxy":
		return c.Name
	}
	return ""
}
