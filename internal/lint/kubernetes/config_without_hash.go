package kubernetes

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/seguehq/segue/internal/lint"
)

// configWithoutHash: the configuration changes, and no pod is rolled.
func configWithoutHash(w *World, report lint.Report) {
	for x := range w.Served() {
		if x.noticesConfig() {
			continue
		}
		var first *configRef
		var names []string
		for _, r := range x.configRefs() {
			if name := r.kind + " " + r.name; w.changes(x, r) && !slices.Contains(names, name) {
				names = append(names, name)
				if first == nil {
					first = &r
				}
			}
		}
		if first == nil {
			continue
		}
		how := "pods read it when they start: old and new ones answer side by side until each has been replaced for some other reason"
		if first.mounted {
			how = "its files change in all pods within about a minute, with no probe in between and no way back, or are not read before the pod is replaced for some other reason"
		}
		report(lint.Finding{
			At:        x.AtPod(first.path...),
			Container: first.container,
			Hazard:    fmt.Sprintf("a change of %s is no rollout: %s", allOf(names), how),
			Mend:      "put a hash of it into its name (Kustomize's generators do), or into an annotation of the pod template, such as checksum/config",
		})
	}
}

// allOf says a list: "a", "a and b", "a, b and c".
func allOf(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// A configRef is where pods refer to a ConfigMap or a Secret.
type configRef struct {
	kind, name, container string
	mounted               bool
	path                  []any
}

func (x *Workload) configRefs() []configRef {
	var refs []configRef
	for _, c := range append(x.Containers(), x.Sidecars()...) {
		refs = append(refs, c.configRefs()...)
	}
	for i, v := range x.Pod.Spec.Volumes {
		if v.ConfigMap != nil {
			refs = append(refs, configRef{"ConfigMap", v.ConfigMap.Name, "", true, []any{"volumes", i, "configMap"}})
		}
		if v.Secret != nil {
			refs = append(refs, configRef{"Secret", v.Secret.SecretName, "", true, []any{"volumes", i, "secret"}})
		}
		if v.Projected != nil {
			refs = append(refs, projectedRefs(v.Projected, i)...)
		}
	}
	return refs
}

func projectedRefs(p *corev1.ProjectedVolumeSource, volume int) []configRef {
	var refs []configRef
	for i, s := range p.Sources {
		path := []any{"volumes", volume, "projected", "sources", i}
		if s.ConfigMap != nil {
			refs = append(refs, configRef{"ConfigMap", s.ConfigMap.Name, "", true, path})
		}
		if s.Secret != nil {
			refs = append(refs, configRef{"Secret", s.Secret.Name, "", true, path})
		}
	}
	return refs
}

func (c Container) configRefs() []configRef {
	var refs []configRef
	add := func(kind, name string, path ...any) {
		refs = append(refs, configRef{kind, name, c.Name, false, c.path(path)})
	}
	for i, e := range c.EnvFrom {
		if e.ConfigMapRef != nil {
			add("ConfigMap", e.ConfigMapRef.Name, "envFrom", i, "configMapRef")
		}
		if e.SecretRef != nil {
			add("Secret", e.SecretRef.Name, "envFrom", i, "secretRef")
		}
	}
	for i, e := range c.Env {
		switch {
		case e.ValueFrom == nil:
		case e.ValueFrom.ConfigMapKeyRef != nil:
			add("ConfigMap", e.ValueFrom.ConfigMapKeyRef.Name, "env", i, "valueFrom")
		case e.ValueFrom.SecretKeyRef != nil:
			add("Secret", e.ValueFrom.SecretKeyRef.Name, "env", i, "valueFrom")
		}
	}
	return refs
}

// changes says that the object is among the files, and may be changed under
// its name.
func (w *World) changes(x *Workload, r configRef) bool {
	if hashed().MatchString(r.name) {
		return false
	}
	mutable := func(name, namespace string, immutable *bool) bool {
		return name == r.name && near(namespace, x.Namespace) && (immutable == nil || !*immutable)
	}
	for _, c := range w.ConfigMaps {
		if len(c.Is.Data)+len(c.Is.BinaryData) == 0 { // somebody else fills it
			continue
		}
		if r.kind == "ConfigMap" && mutable(c.Is.Name, c.Is.Namespace, c.Is.Immutable) {
			return true
		}
	}
	for _, s := range w.Secrets {
		certificate := s.Is.Type == corev1.SecretTypeTLS || s.Is.Type == corev1.SecretTypeServiceAccountToken
		if r.kind == "Secret" && !certificate && mutable(s.Is.Name, s.Is.Namespace, s.Is.Immutable) {
			return true
		}
	}
	return false
}

// hashed is a name that ends in a hash: Kustomize's ten letters and digits, of
// which it uses no vowels, or hexadecimal ones.
var hashed = lint.Pattern(`-([bcdfghkmt2456789]{10}|[0-9a-f]{8,})$`)

// noticesConfig says that something rolls the pods when their configuration changes.
func (x *Workload) noticesConfig() bool {
	for _, notes := range []map[string]string{x.Pod.Annotations, x.Annotations} {
		for key := range notes {
			if hashKey().MatchString(strings.ToLower(key)) || strings.Contains(key, "reloader.stakater.com/") {
				return true
			}
		}
	}
	return false
}

var hashKey = lint.Pattern(`checksum|hash|sha(1|256)|md5|digest|config-version`)
