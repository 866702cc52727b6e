// Package ecstest has a server that answers as ECS does, in the shapes of its
// published API (AWS JSON 1.1): for tests, which have no AWS. It runs nothing. A
// deployment goes one step on each time that its service is described, so that
// no test waits for a clock.
//
// What it does is what the API's documentation says of ECS. Whether ECS does it
// is not known from here.
package ecstest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Region is where the server says that everything is.
const Region = "eu-central-1"

type object = map[string]any

// A Server is an http.Handler; its zero value has an empty cluster called
// "default". It may be used by several goroutines.
type Server struct {
	mu       sync.Mutex
	calls    []Call
	refusals map[string]refusal
	bad      map[int]object // stopped task of a revision that does not come up
	families map[string][]object
	services map[string]*service
	serial   int
}

// A Call is a request that came.
type Call struct {
	Action string
	Input  map[string]any
}

type refusal struct{ code, message string }

// Refuse has an action answered by an error from now on.
func (s *Server) Refuse(action, code, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusals == nil {
		s.refusals = map[string]refusal{}
	}
	s.refusals[action] = refusal{code, message}
}

// Spoil has the tasks of a revision end for a reason, so that the circuit
// breaker undoes its deployment.
func (s *Server) Spoil(revision int, reason string, exit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bad == nil {
		s.bad = map[int]object{}
	}
	s.bad[revision] = object{"stopCode": "EssentialContainerExited", "stoppedReason": reason,
		"containers": []any{object{"name": "main", "exitCode": exit}}}
}

// Calls are those of an action, in their order; "" all.
func (s *Server) Calls(action string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Call
	for _, c := range s.calls {
		if action == "" || c.Action == action {
			out = append(out, c)
		}
	}
	return out
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, action, _ := strings.Cut(q.Header.Get("X-Amz-Target"), ".")
	in := object{}
	body, err := io.ReadAll(q.Body)
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		fail(w, refusal{"SerializationException", err.Error()})
		return
	}
	s.calls = append(s.calls, Call{action, in})
	if !strings.HasPrefix(q.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=") {
		fail(w, refusal{"MissingAuthenticationTokenException", "Missing Authentication Token"})
		return
	}
	out, refused := s.answer(action, in)
	if refused != nil {
		fail(w, *refused)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(out) // the client has gone, which it knows
}

func fail(w http.ResponseWriter, r refusal) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(object{"__type": r.code, "message": r.message})
}

func (s *Server) answer(action string, in object) (object, *refusal) {
	if r, ok := s.refusals[action]; ok {
		return nil, &r
	}
	if c := text(in["cluster"]); c != "" && c != "default" && c != "prod" {
		return nil, &refusal{"ClusterNotFoundException", "Cluster not found."}
	}
	switch action {
	case "RegisterTaskDefinition":
		return s.register(in), nil
	case "DescribeTaskDefinition":
		return s.describeDefinition(text(in["taskDefinition"]))
	case "ListTaskDefinitions":
		return s.listDefinitions(text(in["familyPrefix"])), nil
	case "CreateService":
		return s.create(in), nil
	case "UpdateService":
		return s.update(in)
	case "DeleteService":
		delete(s.services, text(in["service"]))
		return object{}, nil
	case "DescribeServices":
		return s.describe(in), nil
	case "ListServiceDeployments":
		return s.listDeployments(text(in["service"]))
	case "DescribeServiceDeployments":
		return s.describeDeployments(in), nil
	case "DescribeServiceRevisions":
		return describeRevisions(in), nil
	case "ContinueServiceDeployment", "StopServiceDeployment":
		return s.steer(action, in), nil
	case "ListTasks":
		return s.listTasks(in), nil
	case "DescribeTasks":
		return s.describeTasks(in), nil
	}
	return nil, &refusal{"UnknownOperationException", action}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func number(v any) int {
	f, _ := v.(float64)
	return int(f)
}

func now() float64 { return float64(time.Now().UnixMilli()) / 1000 }

func arn(kind, name string) string {
	return fmt.Sprintf("arn:aws:ecs:%s:111122223333:%s/%s", Region, kind, name)
}

// after is what stands behind the last slash of an ARN.
func after(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// revision is the number in FAMILY:7.
func revision(definition string) int {
	var n int
	_, _ = fmt.Sscanf(definition[strings.LastIndexByte(definition, ':')+1:], "%d", &n) // 0: the newest
	return n
}
