package kubernetes

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// The statuses are those of a real cluster (1.34).
func TestADeploymentSaysHowFarItIs(t *testing.T) {
	for _, tt := range []struct {
		name, object    string
		seen, settled   bool
		expired         bool
		stuck           string
		updated, wanted int
	}{
		{
			name:   "settled",
			object: `{"metadata":{"generation":1},"spec":{"replicas":1},"status":{"availableReplicas":1,"conditions":[{"type":"Available","status":"True","reason":"MinimumReplicasAvailable"},{"type":"Progressing","status":"True","reason":"NewReplicaSetAvailable","message":"ReplicaSet \"shop-5bcdd8b8\" has successfully progressed."}],"observedGeneration":1,"readyReplicas":1,"replicas":1,"updatedReplicas":1}}`,
			seen:   true, settled: true, updated: 1, wanted: 1,
		},
		{
			name:   "not seen yet: what is stuck was",
			object: `{"metadata":{"generation":2},"spec":{"replicas":1},"status":{"conditions":[{"type":"Progressing","status":"False","reason":"ProgressDeadlineExceeded"}],"observedGeneration":1,"replicas":1,"updatedReplicas":1,"availableReplicas":1}}`,
			wanted: 1, updated: 1,
		},
		{
			name:   "an old pod is there yet",
			object: `{"metadata":{"generation":1},"spec":{"replicas":1},"status":{"observedGeneration":1,"replicas":2,"updatedReplicas":1,"availableReplicas":2,"readyReplicas":2}}`,
			seen:   true, wanted: 1, updated: 1,
		},
		{
			name:   "scaled to nothing",
			object: `{"metadata":{"generation":1},"spec":{"replicas":0},"status":{"observedGeneration":1}}`,
			seen:   true, settled: true,
		},
		{
			name:   "out of quota",
			object: `{"metadata":{"generation":1},"spec":{"replicas":3},"status":{"availableReplicas":1,"conditions":[{"message":"pods \"shop-7c6b5b684d-8fqf5\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1","reason":"FailedCreate","status":"True","type":"ReplicaFailure"},{"message":"ReplicaSet \"shop-7c6b5b684d\" is progressing.","reason":"ReplicaSetUpdated","status":"True","type":"Progressing"}],"observedGeneration":1,"readyReplicas":1,"replicas":1,"unavailableReplicas":2,"updatedReplicas":1}}`,
			seen:   true, wanted: 3, updated: 1,
			stuck: `pods "shop-7c6b5b684d-8fqf5" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1`,
		},
		{
			name:   "refused by admission, until the deadline",
			object: `{"metadata":{"generation":1},"spec":{"replicas":1},"status":{"conditions":[{"message":"pods \"shop-97888749d-\" is forbidden: error looking up service account cluster-part/nobody: serviceaccount \"nobody\" not found","reason":"FailedCreate","status":"True","type":"ReplicaFailure"},{"message":"ReplicaSet \"shop-97888749d\" has timed out progressing.","reason":"ProgressDeadlineExceeded","status":"False","type":"Progressing"}],"observedGeneration":1,"unavailableReplicas":1}}`,
			seen:   true, wanted: 1, expired: true,
			stuck: `pods "shop-97888749d-" is forbidden: error looking up service account cluster-part/nobody: serviceaccount "nobody" not found`,
		},
		{
			name:   "no progress within the deadline",
			object: `{"metadata":{"generation":1},"spec":{"replicas":1},"status":{"conditions":[{"message":"ReplicaSet \"shop-69679d8b7c\" has timed out progressing.","reason":"ProgressDeadlineExceeded","status":"False","type":"Progressing"}],"observedGeneration":1,"replicas":1,"unavailableReplicas":1,"updatedReplicas":1}}`,
			seen:   true, wanted: 1, updated: 1, expired: true, stuck: "no pod has become ready within its progress deadline",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := deploymentOf(decoded[appsv1.Deployment](t, tt.object))
			if d.Seen != tt.seen || d.Settled != tt.settled || d.Expired != tt.expired || d.Stuck != tt.stuck || d.Updated != tt.updated || d.Wanted != tt.wanted {
				t.Errorf("got %+v", d)
			}
		})
	}
}

func decoded[T any](t *testing.T, text string) *T {
	t.Helper()
	o := new(T)
	if err := json.Unmarshal([]byte(text), o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestEveryEndpointSliceSpeaksOfAPod(t *testing.T) {
	k := newParts(func(Deployment) bool { return false })
	k.slices["v4"] = endpointsOf(decoded[discoveryv1.EndpointSlice](t, `{"endpoints":[
		{"targetRef":{"kind":"Pod","name":"stays"},"conditions":{"ready":true,"serving":true},"zone":"z1"},
		{"targetRef":{"kind":"Pod","name":"leaves"},"conditions":{"ready":false,"serving":true,"terminating":true}},
		{"targetRef":{"kind":"Pod","name":"sick"},"conditions":{"ready":false,"serving":false}},
		{"targetRef":{"kind":"Pod","name":"twice"},"conditions":{"ready":false,"serving":false}},
		{"targetRef":{"kind":"VirtualMachine","name":"other"}}]}`))
	k.slices["v6"] = endpointsOf(decoded[discoveryv1.EndpointSlice](t, `{"endpoints":[
		{"targetRef":{"kind":"Pod","name":"twice"},"conditions":{}}]}`)) // unset: yes
	for _, name := range []string{"stays", "leaves", "sick", "twice", "unlisted"} {
		k.pods[name] = Pod{Name: name}
	}
	want := map[string][3]bool{ // listed, serving, routed
		"stays": {true, true, true}, "leaves": {true, true, false}, "sick": {true, false, false}, "twice": {true, true, true}, "unlisted": {},
	}
	p := k.draw()
	for _, pod := range p.Pods {
		if got := [3]bool{pod.Listed, pod.Serving, pod.Routed}; got != want[pod.Name] {
			t.Errorf("%s: listed, serving, routed are %v, want %v", pod.Name, got, want[pod.Name])
		}
	}
	if len(p.Stale) > 0 {
		t.Errorf("%v have left, it says", p.Stale)
	}
	delete(k.pods, "leaves")
	delete(k.pods, "sick")
	if p := k.draw(); !slices.Equal(p.Stale, []string{"leaves"}) {
		t.Errorf("of those that are no more, it says that %v still serve", p.Stale)
	}
}

// What is told to a cluster comes back by a watch, a little later.
func TestAPictureThatIsOlderThanWhatWasAppliedIsNotBelieved(t *testing.T) {
	c := &Cluster{applied: map[string]form{}}
	k := newParts(c.outdated)
	v := &View{w: &watching{news: make(chan struct{})}, parts: k}
	k.deployments["shop"] = deploymentOf(decoded[appsv1.Deployment](t, `{"metadata":{"name":"shop","uid":"u","generation":3},"spec":{"replicas":0},"status":{"observedGeneration":3}}`))
	if d, _ := v.Now().Deployment("shop"); !d.Settled {
		t.Fatalf("got %+v", d)
	}
	c.remember("shop", fields(t, `{"metadata":{"name":"shop","uid":"u","generation":4}}`))
	if d, _ := v.Now().Deployment("shop"); d.Seen || d.Settled {
		t.Errorf("generation 4 was applied, and of 3 it is said that it is settled: %+v", d)
	}
	k.deployments["shop"] = deploymentOf(decoded[appsv1.Deployment](t, `{"metadata":{"name":"shop","uid":"u","generation":4},"spec":{"replicas":0},"status":{"observedGeneration":4}}`))
	v.w.news = make(chan struct{}) // the watch has brought it
	if d, _ := v.Now().Deployment("shop"); !d.Settled {
		t.Errorf("generation 4 is settled: %+v", d)
	}
}

func TestTheNewestReplicaSetTellsWhichPodsAreCurrent(t *testing.T) {
	k := newParts(func(Deployment) bool { return false })
	k.deployments["shop"] = Deployment{Name: "shop"}
	// A rollback gives an old ReplicaSet a new revision.
	k.templates["shop-a"] = template{deployment: "shop", hash: "a", revision: 12}
	k.templates["shop-b"] = template{deployment: "shop", hash: "b", revision: 9}
	k.pods["1"] = Pod{Name: "1", Deployment: "shop", Template: "a"}
	k.pods["2"] = Pod{Name: "2", Deployment: "shop", Template: "b"}
	p := k.draw()
	if p.Deployments[0].Template != "a" || !p.Pods[0].Current || p.Pods[1].Current {
		t.Errorf("got %+v", p)
	}
}

func BenchmarkDraw(b *testing.B) {
	k := newParts(func(Deployment) bool { return false })
	k.deployments["shop"] = Deployment{Name: "shop"}
	k.templates["shop-a"] = template{deployment: "shop", hash: "a", revision: 12}
	for i := range 10000 {
		name := fmt.Sprint("shop-a-", i)
		k.pods[name] = Pod{Name: name, UID: name, Deployment: "shop", Template: "a", State: Ready, Born: time.Unix(int64(i%100), 0)}
		s := fmt.Sprint("s", i/100)
		k.slices[s] = append(k.slices[s], endpoint{pod: name, serving: true, routed: true})
	}
	for b.Loop() {
		k.draw()
	}
}

func TestWhoWasToldToGoIsThereAsLongAsItsObject(t *testing.T) {
	p := Picture{Pods: []Pod{
		{Name: "serves", Deployment: "shop", State: Ready},
		{Name: "leaves", Deployment: "shop", State: Draining, Until: time.Now()},
		{Name: "has ended", Deployment: "shop", State: Gone, Until: time.Now()},
		{Name: "was evicted", Deployment: "shop", State: Gone},
		{Name: "another's", Deployment: "shop-r2", State: Ready},
	}}
	if n := len(p.there("shop")); n != 3 {
		t.Errorf("%d pods are there, want 3", n)
	}
	if n := len(p.podsOf("shop")); n != 2 {
		t.Errorf("%d pods have not ended, want 2", n)
	}
}
