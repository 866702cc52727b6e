package plane

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Nodes makes n nodes, in three zones, and waits until they are ready. Each has
// room for as many pods as Kubernetes advises at most, 110.
func (p *Plane) Nodes(n int) {
	p.t.Helper()
	for i := range n {
		_, err := p.call(http.MethodPost, "/api/v1/nodes", fmt.Sprintf(node, i+1, i+1, i%3+1, i/256, i%256))
		p.must(err)
	}
	p.Until(fmt.Sprint(n, " nodes are ready"), time.Minute+time.Duration(n)*100*time.Millisecond, func() bool {
		list, err := p.call(http.MethodGet, "/api/v1/nodes", "")
		return err == nil && strings.Count(list, `"KubeletReady"`) == n && !strings.Contains(list, "not-ready")
	})
}

// Version is the server's, such as v1.34.4.
func (p *Plane) Version() string {
	p.t.Helper()
	text, err := p.call(http.MethodGet, "/version", "")
	p.must(err)
	var v struct{ GitVersion string }
	p.must(json.Unmarshal([]byte(text), &v))
	return v.GitVersion
}

// Remove removes a service's Deployment, and waits until its pods are gone.
func (p *Plane) Remove(service string) {
	p.t.Helper()
	_, err := p.call(http.MethodDelete, "/apis/apps/v1/namespaces/default/deployments/"+service+"?propagationPolicy=Background", "")
	p.must(err)
	p.Until("the pods of "+service+" are gone", 10*time.Minute, func() bool {
		list, err := p.call(http.MethodGet, "/api/v1/namespaces/default/pods?limit=1&labelSelector=app.kubernetes.io/name%3D"+service, "")
		return err == nil && strings.Contains(list, `"items":[]`)
	})
}

const node = `{"apiVersion":"v1","kind":"Node",
"metadata":{"name":"node-%d","labels":{"kubernetes.io/hostname":"node-%d","topology.kubernetes.io/zone":"zone-%d"}},
"spec":{"podCIDR":"10.%d.%d.0/24"},
"status":{"allocatable":{"cpu":"32","memory":"256Gi","pods":"110"},"capacity":{"cpu":"32","memory":"256Gi","pods":"110"}}}`

// stages is what kwok does: a node is ready at once, a pod that has a node runs
// and is ready, one of a Job has succeeded, and one that is to go is gone.
const stages = `apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: node-ready}
spec:
  resourceRef: {apiGroup: v1, kind: Node}
  selector:
    matchExpressions:
    - {key: '.status.conditions.[] | select( .type == "Ready" ) | .status', operator: NotIn, values: ["True"]}
  next:
    statusTemplate: |
      conditions:
      {{ range NodeConditions }}
      - {type: {{ .type | Quote }}, status: {{ .status | Quote }}, reason: {{ .reason | Quote }}, message: {{ .message | Quote }},
         lastHeartbeatTime: {{ Now | Quote }}, lastTransitionTime: {{ Now | Quote }}}
      {{ end }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-ready}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: '.metadata.deletionTimestamp', operator: DoesNotExist}
    - {key: '.status.podIP', operator: DoesNotExist}
  next:
    statusTemplate: |
      {{ $now := Now }}
      phase: Running
      startTime: {{ $now | Quote }}
      conditions:
      {{ range $type := list "Initialized" "Ready" "ContainersReady" }}
      - {type: {{ $type }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
      {{ end }}
      containerStatuses:
      {{ range .spec.containers }}
      - {name: {{ .name | Quote }}, image: {{ .image | Quote }}, ready: true, started: true, restartCount: 0, state: {running: {startedAt: {{ $now | Quote }}}}}
      {{ end }}
      {{ with PodIPsWith .spec.nodeName false .metadata.uid .metadata.name .metadata.namespace }}
      podIP: {{ index . 0 | Quote }}
      podIPs: [{ip: {{ index . 0 | Quote }}}]
      {{ end }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: job-done}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: '.metadata.deletionTimestamp', operator: DoesNotExist}
    - {key: '.status.phase', operator: In, values: [Running]}
    - {key: '.metadata.ownerReferences.[].kind', operator: In, values: [Job]}
  next:
    statusTemplate: |
      phase: Succeeded
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-gone}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: '.metadata.deletionTimestamp', operator: Exists}
  next: {delete: true}
`
