package kubernetes

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/json"
)

func TestDifferencesAreToldByField(t *testing.T) {
	for _, tt := range []struct {
		name, kind, before, after string
		want                      string
	}{
		{
			name:   "the server's own fields are none",
			before: `{"metadata":{"name":"shop","resourceVersion":"1","generation":1,"managedFields":[{}],"annotations":{"deployment.kubernetes.io/revision":"1"}},"status":{"replicas":1}}`,
			after:  `{"metadata":{"name":"shop","resourceVersion":"2","generation":2},"status":{"replicas":3}}`,
		},
		{
			name:   "a value",
			before: `{"spec":{"replicas":2,"paused":true}}`,
			after:  `{"spec":{"replicas":3,"minReadySeconds":5}}`,
			want:   "+ spec.minReadySeconds: 5\n- spec.paused: true\n~ spec.replicas: 2 → 3",
		},
		{
			name:   "lists go by name",
			before: `{"containers":[{"name":"shop","image":"shop:1","env":[{"name":"A","value":"x y"}]},{"name":"old","image":"o"}]}`,
			after:  `{"containers":[{"name":"new","image":"n"},{"name":"shop","image":"shop:2","env":[{"name":"A","value":"x y"},{"name":"B","value":"1"}]}]}`,
			want: `+ containers[new]: {"image":"n","name":"new"}` + "\n" + `- containers[old]: {"image":"o","name":"old"}` + "\n" +
				`+ containers[shop].env[B]: {"name":"B","value":"1"}` + "\n" + `~ containers[shop].image: shop:1 → shop:2`,
		},
		{
			name:   "another order",
			before: `{"env":[{"name":"A"},{"name":"B"}]}`,
			after:  `{"env":[{"name":"B"},{"name":"A"}]}`,
			want:   "~ env: (another order) → (this order)",
		},
		{
			name:   "lists without names, as a whole",
			before: `{"args":["a","b"]}`,
			after:  `{"args":["a","c"]}`,
			want:   `~ args: ["a","b"] → ["a","c"]`,
		},
		{
			name:   "labels, one by one",
			before: `{"metadata":{}}`,
			after:  `{"metadata":{"labels":{"app.kubernetes.io/name":"shop"}}}`,
			want:   "+ metadata.labels[app.kubernetes.io/name]: shop",
		},
		{
			name: "what is in a Secret is not told", kind: "Secret",
			before: `{"data":{"PASSWORD":"c2VjcmV0","OLD":"eA=="},"type":"Opaque"}`,
			after:  `{"data":{"PASSWORD":"b3RoZXI=","NEW":"eQ=="},"type":"Opaque"}`,
			want:   "+ data.NEW: (not shown)\n- data.OLD: (not shown)\n~ data.PASSWORD: (not shown) → (not shown)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change := changeOf(Ref{Kind: tt.kind, Name: "shop"}, fields(t, tt.before), fields(t, tt.after))
			var lines []string
			for _, d := range change.Diff {
				lines = append(lines, d.String())
			}
			if got := strings.Join(lines, "\n"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if same := change.Op == Same; same != (tt.want == "") {
				t.Errorf("it is called %s", change.Op)
			}
		})
	}
}

func fields(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhatWasNotThereIsCreated(t *testing.T) {
	if c := changeOf(Ref{Kind: "Service", Name: "shop"}, nil, map[string]any{}); c.Op != Created || c.Diff != nil {
		t.Errorf("got %+v", c)
	}
}
