package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// Handler serves the control API for an agent.
func Handler(a Agent) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /v1/status", answer(func(r *http.Request) (any, error) { return a.Status(r.Context()) }))
	m.HandleFunc("GET /v1/releases", answer(func(r *http.Request) (any, error) {
		return a.Releases(r.Context(), r.FormValue("service"))
	}))
	m.HandleFunc("GET /v1/history", answer(func(r *http.Request) (any, error) {
		n, _ := strconv.Atoi(r.FormValue("limit"))
		return a.History(r.Context(), r.FormValue("service"), n)
	}))
	m.HandleFunc("GET /v1/trees/{digest}", answer(func(r *http.Request) (any, error) {
		return a.HasTree(r.Context(), r.PathValue("digest"))
	}))
	m.HandleFunc("POST /v1/trees", answer(func(r *http.Request) (any, error) { return a.PutTree(r.Context(), r.Body) }))
	m.HandleFunc("POST /v1/deploy", with(a.Deploy))
	m.HandleFunc("POST /v1/plan", with(a.Plan))
	m.HandleFunc("POST /v1/rollback", with(a.Rollback))
	m.HandleFunc("POST /v1/scale", with(a.Scale))
	m.HandleFunc("POST /v1/restart", with(a.Restart))
	m.HandleFunc("POST /v1/down", with(a.Down))
	m.HandleFunc("POST /v1/contract", with(a.Contract))
	m.HandleFunc("POST /v1/maintenance", with(a.Maintain))
	m.HandleFunc("POST /v1/maintenance/await", with(a.AwaitMaintenance))
	m.HandleFunc("POST /v1/pause", with(a.Pause))
	m.HandleFunc("POST /v1/promote", with(a.Promote))
	m.HandleFunc("POST /v1/resume", with(a.Resume))
	m.HandleFunc("POST /v1/prepare", stream(a.Prepare))
	m.HandleFunc("GET /v1/preparations", answer(func(r *http.Request) (any, error) {
		return a.Preparations(r.Context(), r.FormValue("service"))
	}))
	m.HandleFunc("POST /v1/notify/test", with(a.NotifyTest))
	m.HandleFunc("POST /v1/pass", stream(a.Pass))
	m.HandleFunc("POST /v1/freeze", with(a.Freeze))
	m.HandleFunc("POST /v1/unfreeze", with(a.Unfreeze))
	m.HandleFunc("POST /v1/lock", stream(a.Lock))
	m.HandleFunc("POST /v1/unlock", with(a.Unlock))
	m.HandleFunc("POST /v1/source", with(a.LookAtSource))
	m.HandleFunc("GET /v1/source/log", answer(func(r *http.Request) (any, error) {
		return a.SourceLog(r.Context(), r.FormValue("service"))
	}))
	m.HandleFunc("GET /v1/gates", answer(func(r *http.Request) (any, error) { return a.Gates(r.Context()) }))
	m.HandleFunc("POST /v1/settings", with(func(ctx context.Context, s Settings) (struct{}, error) {
		return struct{}{}, a.Settings(ctx, s)
	}))
	m.HandleFunc("POST /v1/quit", with(func(ctx context.Context, q quitRequest) (struct{}, error) {
		return struct{}{}, a.Quit(ctx, q.Everything)
	}))
	m.HandleFunc("GET /v1/metrics", func(w http.ResponseWriter, r *http.Request) { serveMetrics(a, w, r) })
	m.HandleFunc("GET /v1/rollouts/{id}/events", func(w http.ResponseWriter, r *http.Request) { watch(a, w, r) })
	m.HandleFunc("POST /v1/logs", stream(a.Logs))
	m.HandleFunc("POST /v1/upgrade", stream(a.Upgrade))
	return m
}

type quitRequest struct {
	Everything bool `json:"everything"`
}

func serveMetrics(a Agent, w http.ResponseWriter, r *http.Request) {
	text, err := a.Metrics(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(text) // a reader that has gone needs nothing
}

func watch(a Agent, w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		refuse(w, Errorf(CodeInvalid, "rollout %q is not a number", r.PathValue("id")))
		return
	}
	since, _ := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64)
	s := &sse{w: w}
	s.end(a.Watch(r.Context(), id, since, func(e Event) error { return s.send(e.Seq, e) }))
}

// stream serves a call that takes a request and tells many things.
func stream[Q, T any](call func(context.Context, Q, func(T) error) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q Q
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			refuse(w, Errorf(CodeInvalid, "request: %v", err))
			return
		}
		s := &sse{w: w}
		s.end(call(r.Context(), q, func(t T) error { return s.send(0, t) }))
	}
}

// with serves a call that takes a request and gives one answer.
func with[Q, A any](call func(context.Context, Q) (A, error)) http.HandlerFunc {
	return answer(func(r *http.Request) (any, error) {
		var q Q
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			return nil, Errorf(CodeInvalid, "request: %v", err)
		}
		return call(r.Context(), q)
	})
}

func answer(call func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := call(r)
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = encode(w, v) // a caller that has gone needs nothing
	}
}

func refuse(w http.ResponseWriter, err error) {
	e := asError(err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(map[string]int{CodeInvalid: 400, CodeNone: 404, CodeBusy: 409, CodeFailed: 500, CodeClosed: 423, CodeLocked: 423}[e.Code])
	_ = encode(w, e)
}

func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Errorf(CodeFailed, "%v", err)
}

// sse writes server-sent events (HTML living standard, section 9.2). An error
// before the first event is an ordinary answer, one after it an event "error".
type sse struct {
	w     http.ResponseWriter
	began bool
}

func (s *sse) begin() {
	if !s.began {
		s.began = true
		s.w.Header().Set("Content-Type", "text/event-stream")
	}
}

func (s *sse) send(id int64, v any) error {
	s.begin()
	if id != 0 {
		fmt.Fprintf(s.w, "id: %d\n", id)
	}
	return s.put("data: ", v)
}

func (s *sse) put(prefix string, v any) error {
	fmt.Fprint(s.w, prefix)
	if err := encode(s.w, v); err != nil { // JSON holds no bare newline but its last
		return err
	}
	if _, err := fmt.Fprintln(s.w); err != nil {
		return err
	}
	return http.NewResponseController(s.w).Flush()
}

func (s *sse) end(err error) {
	switch {
	case err == nil:
		s.begin()
		_ = s.put("event: end\ndata: ", struct{}{})
	case !s.began:
		refuse(s.w, err)
	default:
		_ = s.put("event: error\ndata: ", asError(err)) // best effort: the caller may have gone
	}
}
