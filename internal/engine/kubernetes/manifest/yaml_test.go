package manifest

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What is a text stays one, for every reader of YAML: those of Kubernetes' tools
// take more words for something else than ours does.
func TestTextsStayTexts(t *testing.T) {
	config := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, Data: map[string]string{}}
	quoted := []string{"", "y", "No", "ON", "off", "true", "null", "~", "8080", "0777", "0o7", "1e3", "1_000", "1:20", ".5", ".inf", "-.inf", "-1", "2026-11-22",
		"a: b", "a #b", "*all", "&x", "!t", "%d", "@a", "`c`", "- a", "{a}", "[a]", "'a'", `"a"`, " a", "a ", "a\nb", "x:", "=", "<<", "ä", "\x1b[0m"}
	plain := []string{"a", "bin/shop", "--port=$(PORT)", "-v", "/tmp", "registry.example.com/shop:1.4@sha256:abc", "256Mi", "1m30s", "a,b", "http2"}
	for _, s := range append(quoted, plain...) {
		config.Data["key"] = s
		var b bytes.Buffer
		if err := YAML(&b, []Object{{Is: config}}); err != nil {
			t.Fatal(err)
		}
		var read struct{ Data map[string]any }
		if err := yaml.Unmarshal(b.Bytes(), &read); err != nil {
			t.Errorf("%q: %v in\n%s", s, err, &b)
		} else if read.Data["key"] != s {
			t.Errorf("%q is read as %#v from\n%s", s, read.Data["key"], &b)
		}
	}
	for _, s := range quoted {
		if n := text(s); n.Style != yaml.DoubleQuotedStyle {
			t.Errorf("%q is written without quotes", s)
		}
	}
	for _, s := range plain {
		if n := text(s); n.Style != 0 {
			t.Errorf("%q is written in quotes, which it does not need", s)
		}
	}
}

func TestObjectsAreReadBackAsTheyWere(t *testing.T) {
	d, err := Deployment(web(), Options{Release: 7, EnvSecret: "shop-env-1", Replicas: -1})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	o := Object{Is: d, about: "a # b\nc", why: map[string]string{"spec.template.spec.containers.env": "why: because"}}
	if err := YAML(&b, []Object{o}); err != nil {
		t.Fatal(err)
	}
	want, err := o.Fields()
	if err != nil {
		t.Fatal(err)
	}
	var is map[string]any
	if err := yaml.Unmarshal(b.Bytes(), &is); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(normal(is), normal(want)) {
		t.Errorf("read %v\nwrote %v", is, want)
	}
	if text := b.String(); !strings.HasPrefix(text, "# a # b\n# c\napiVersion: apps/v1\n") || !strings.Contains(text, "        # why: because\n        env:\n") {
		t.Errorf("comments are not where they belong:\n%s", text)
	}
}

// normal has all whole numbers of one type.
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = normal(v[k])
		}
	case []any:
		for i := range v {
			v[i] = normal(v[i])
		}
	case int64:
		return int(v)
	}
	return v
}
