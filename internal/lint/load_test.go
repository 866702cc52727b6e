package lint

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  template:
    spec:
      containers:
        - name: app
          image: shop/web:1
`

func TestPlacesAreThoseOfTheFile(t *testing.T) {
	image := []any{"spec", "template", "spec", "containers", 0, "image"}
	for name, c := range map[string]struct {
		text string
		path []any
		want string
	}{
		"a key":                       {deployment, image, "11:11"},
		"an item":                     {deployment, image[:5], "10:11"},
		"a parent of what is missing": {deployment, []any{"spec", "template", "spec", "containers", 0, "lifecycle", "preStop"}, "10:11"},
		"of an index that is missing": {deployment, []any{"spec", "template", "spec", "containers", 7}, "9:7"},
		"nothing that is there":       {deployment, []any{"status"}, "1:1"},
		"the object":                  {deployment, nil, "1:1"},
		"a later document":            {"a: 1\n---\n# comment\n---\n" + deployment, image, "15:11"},
		"behind a document's end":     {"a: 1\n...\n" + deployment, image, "13:11"},
		"with a directive":            {"%YAML 1.2\n---\n" + deployment, image, "13:11"},
		"carriage returns":            {strings.ReplaceAll(deployment, "\n", "\r\n"), image, "11:11"},
		"a byte order mark":           {"\ufeff" + deployment, image, "11:11"},
		"other line ends in a text":   {"a: \"x\u2028y\u0085z\"\n---\nb: \"\u2028\u2029\"\n" + deployment, image, "14:11"},
		"characters of several bytes": {"apiVersion: v1\nkind: ConfigMap\ndata: {ä: ü, b: c}\n", []any{"data", "b"}, "3:14"},
		"an alias":                    {"apiVersion: v1\nkind: ConfigMap\nx: &x {a: 1}\ndata: *x\n", []any{"data", "a"}, "3:8"},
		"a merged key":                {"apiVersion: v1\nkind: ConfigMap\nx: &x {a: 1}\ndata:\n  <<: *x\n  b: 2\n", []any{"data", "a"}, "3:8"},
		"an own key before a merged":  {"apiVersion: v1\nkind: ConfigMap\nx: &x {a: 1}\ndata:\n  <<: [*x]\n  a: 2\n", []any{"data", "a"}, "6:3"},
		"the last of two keys":        {"apiVersion: v1\nkind: ConfigMap\ndata: 1\ndata: 2\n", []any{"data"}, "4:1"},
		"JSON":                        {`{"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}`, []any{"data", "a"}, "1:52"},
	} {
		t.Run(name, func(t *testing.T) {
			loaded := Load(NewFile("web.yaml", []byte(c.text)))
			if len(loaded.Problems) > 0 || len(loaded.Objects) != 1 {
				t.Fatalf("%d objects, problems %v", len(loaded.Objects), loaded.Problems)
			}
			if got := strings.TrimPrefix(loaded.Objects[0].At(c.path...).String(), "web.yaml:"); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestWhatAFileHolds(t *testing.T) {
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
	for name, c := range map[string]struct {
		file, text string
		want       string // objects, and how many documents are of no known kind
	}{
		"manifests":               {"x.yaml", service + "---\n" + deployment, "Service web, Deployment shop/web; 0"},
		"a list":                  {"x.yaml", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: a}}\n- {apiVersion: v1, kind: Service, metadata: {name: b}}\n", "Service a, Service b; 0"},
		"an empty list":           {"x.yaml", "apiVersion: v1\nkind: List\nitems: []\n", "; 0"},
		"a list of one kind":      {"x.yaml", "apiVersion: apps/v1\nkind: DeploymentList\nitems: [{kind: Deployment, metadata: {name: a}}]\n", "Deployment a; 0"},
		"a compose file":          {"x.yaml", "services:\n  web: {image: x}\n", "compose file; 0"},
		"something else":          {"x.yaml", "a: 1\n---\n- b\n---\nplain\n---\n# nothing\n---\n", "; 3"},
		"nothing":                 {"x.yaml", "", "; 0"},
		"comments":                {"x.yaml", "# a\n\n# b", "; 0"},
		"a definition of a kind":  {"x.yaml", "kind: CustomResourceDefinition\nspec: [\n", "CustomResourceDefinition; 0"},
		"a name to be generated":  {"x.yaml", "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: migrate-}\n", "Job migrate-; 0"},
		"a unit":                  {"x/web.service", "[Service]\nExecStart=/bin/web\n", "web.service; 0"},
		"a drop-in":               {"x/web.service.d/10-stop.conf", "[Service]\nTimeoutStopSec=5\n", "web.service; 0"},
		"a unit from stdin":       {"-", "# web\n\n[Unit]\nDescription=x\n", "-; 0"},
		"what systemctl cat says": {"-", "# /lib/systemd/system/web.service\n[Service]\nExecStart=/bin/web\n\n# /etc/systemd/system/web.service.d/a.conf\n[Service]\nRestart=no\n", "web.service, web.service; 0"},
		"YAML from stdin":         {"-", service, "Service web; 0"},
		"a list from stdin":       {"-", "[a, b]\n", "; 1"},
		"a text that looks like a document's end": {"x.yaml", service + "data: |\n  ---\n  x\n", "Service web; 0"},
	} {
		t.Run(name, func(t *testing.T) {
			loaded := Load(NewFile(c.file, []byte(c.text)))
			for _, p := range loaded.Problems {
				t.Error(p)
			}
			var names []string
			for _, o := range loaded.Objects {
				names = append(names, o.Name)
			}
			if got := fmt.Sprintf("%s; %d", strings.Join(names, ", "), loaded.Skipped); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestWhatCannotBeReadHasAPlaceAndAMend(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"indentation":           {"x.yaml", "a: b\n  c: d\n", "2:4: mapping values are not allowed in this context; check the indentation"},
		"a bracket":             {"x.yaml", "---\na: 1\n---\nb: [1\n", "5:1: did not find expected ',' or ']'; close the bracket"},
		"a tab":                 {"x.yaml", "a:\r\n\t- b\r\n", "2:1: found character that cannot start any token; indent with spaces"},
		"a quote":               {"x.yaml", "a: 'x\n", "2:1: found unexpected end of stream; close the quote"},
		"an unknown alias":      {"x.yaml", "a: 1\nb: *nope\n", "2:4: unknown anchor"},
		"no text":               {"x.yaml", "a: 1\nb: \xff\n", "2:1: this is not UTF-8 text; save the file as UTF-8"},
		"a control character":   {"x.yaml", "a: \x00\n", "control characters are not allowed"},
		"too deep":              {"x.yaml", strings.Repeat("[", 300) + strings.Repeat("]", 300), "1:1: more than 200 levels inside one another"},
		"much too deep":         {"x.yaml", strings.Repeat("{a: ", 100_000), "exceeded max depth"},
		"too many values":       {"x.yaml", strings.Repeat("- \n", 1_600_000), "more values than a manifest can"},
		"too large":             {"x.yaml", "a: " + strings.Repeat("x", maxDocument), "larger than 16 MiB"},
		"a template's block":    {"x.yaml", "a: 1\n{{- if .Values.x }}\nb: 2\n{{- end }}\n", "2:1: this is a Helm template, which is no YAML before it is rendered; helm template CHART | segue lint -"},
		"a template's value":    {"x.yaml", "a: 1\nb: {{ .Values.x }}\n", "2:4: this is a Helm template"},
		"a template's text":     {"x.yaml", "a: 1\nb: \"{{ .Values.x }}\"\n", "2:4: this is a Helm template"},
		"a template's function": {"x.yaml", "a: 1\nb: [\n  {{- include \"x\" . | nindent 4 }}\n", "3:3: this is a Helm template"},
		"no section":            {"x.service", "ExecStart=/bin/web\n", "1:1: an assignment before any [Section]"},
		"no bracket":            {"x.service", "\n[Service\n", "2:1: a section has no ]"},
		"no assignment":         {"x.service", "[Service]\nExecStart\n", "2:1: this line is no Key=value"},
	} {
		t.Run(name, func(t *testing.T) {
			loaded := Load(NewFile(c.file, []byte(c.text)))
			if len(loaded.Problems) != 1 {
				t.Fatalf("%d problems: %v", len(loaded.Problems), loaded.Problems)
			}
			if got := loaded.Problems[0].Error(); !strings.Contains(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestOneBrokenDocumentDoesNotHideTheOthers(t *testing.T) {
	loaded := Load(NewFile("x.yaml", []byte("a: [\n---\n"+deployment+"---\nb: }\n---\n"+deployment)))
	if len(loaded.Objects) != 2 || len(loaded.Problems) != 2 {
		t.Errorf("%d objects, problems %v", len(loaded.Objects), loaded.Problems)
	}
}

func TestBracesThatAreNotHelms(t *testing.T) {
	for _, text := range []string{
		"apiVersion: v1\nkind: ConfigMap\ndata:\n  chart: |\n    {{ .Values.x }}\n",
		"apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec: {x: \"{{inputs.parameters.x}}\"}\n",
		"apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec: {x: \"{{ $labels.pod }} restarts\"}\n",
		"apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec:\n  x: claimed by {{ $labels.pvc }} {{ with $labels.cluster -}} on {{ . }} {{- end }}\n",
		"services:\n  web: {image: x, hostname: \"{{.Node.Hostname}}\"}\n",
	} {
		loaded := Load(NewFile("x.yaml", []byte(text)))
		if len(loaded.Problems) > 0 || len(loaded.Objects) != 1 {
			t.Errorf("%s: %v", text, loaded.Problems)
		}
	}
}

// TestHostileFilesEndSoon: what would take for ever takes no more than what is
// bounded takes.
func TestHostileFilesEndSoon(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("apiVersion: v1\nkind: ConfigMap\na0: &a0 [x, x]\n")
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [*a%d, *a%d]\n", i, i, i-1, i-1)
	}
	for name, text := range map[string]string{
		"aliases of aliases": bomb.String(),
		"an alias of itself": "apiVersion: v1\nkind: ConfigMap\na: &a [*a, *a]\n",
		"a merge of itself":  "apiVersion: v1\nkind: ConfigMap\na: &a\n  <<: *a\n  b: *a\n",
		"merges of merges":   "apiVersion: v1\nkind: ConfigMap\na: &a {<<: [*a, *a, *a]}\nb: {<<: [*a, *a, *a, *a]}\n",
		"many keys":          "apiVersion: v1\nkind: ConfigMap\n" + strings.Repeat("k: 1\n", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loaded := Load(NewFile("x.yaml", []byte(text)))
			for _, o := range loaded.Objects {
				var v any
				start := time.Now()
				o.Decode(&v)
				o.At("a", "b", "c")
				o.Keys()
				t.Logf("%v for %d bytes", time.Since(start), len(text))
			}
		})
	}
}

func TestDecodeReadsAsKubernetesDoes(t *testing.T) {
	text := "apiVersion: v1\nkind: X\nbase: &base {on: true, two: 2}\nspec:\n  <<: *base\n  two: 3\n  yes: no\n  quoted: \"no\"\n  tilde: ~\n  number: 0x10\n  Case: 1\n"
	var v struct {
		Spec struct {
			On     bool   `json:"on"`
			Two    int    `json:"two"`
			Yes    bool   `json:"yes"`
			Quoted string `json:"quoted"`
			Tilde  *int   `json:"tilde"`
			Number int    `json:"number"`
			Case   int    `json:"case"`
		} `json:"spec"`
	}
	o := Load(NewFile("x.yaml", []byte(text))).Objects[0]
	if p := o.Decode(&v); p != nil {
		t.Fatal(p)
	}
	if s := v.Spec; !s.On || s.Two != 3 || s.Yes || s.Quoted != "no" || s.Tilde != nil || s.Number != 16 || s.Case != 0 {
		t.Errorf("%+v", s)
	}
}

func TestDecodeSaysWhereAValueIsOfTheWrongType(t *testing.T) {
	o := Load(NewFile("x.yaml", []byte("apiVersion: v1\nkind: X\nspec:\n  replicas: many\n"))).Objects[0]
	var v struct {
		Spec struct {
			Replicas int `json:"replicas"`
		} `json:"spec"`
	}
	p := o.Decode(&v)
	if p == nil || p.At.String() != "x.yaml:4:3" || p.What != "X: spec.replicas is a text, and a whole number is wanted" {
		t.Errorf("%v", p)
	}
}
