package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
)

// A fake is an agent that notes what it is asked and answers what it is told.
type fake struct {
	mu    sync.Mutex
	calls []string
	err   error           // what every call returns
	tells []any           // what those that tell many things tell
	block <-chan struct{} // what Watch, Logs and Upgrade wait for after telling; nil: nothing
	gone  chan error      // gets the error of the context in which they were blocked
}

func (f *fake) note(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fake) last() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.calls) == 0 {
		return ""
	}
	return f.calls[len(f.calls)-1]
}

func (f *fake) Status(context.Context) (Status, error) {
	return Status{Agent: AgentStatus{PID: 7, State: "/state"}, Services: []ServiceStatus{{Name: "web", Instances: []InstanceStatus{
		{Instance: deploy.Instance{ID: "web-1.1", State: deploy.Serving, PID: 8}, Ready: true, InFlight: 2}}}}}, f.note("status")
}

func (f *fake) Releases(_ context.Context, service string) ([]Release, error) {
	return []Release{{Service: service, Number: 3, Command: []string{"run"}}}, f.note("releases %q", service)
}

func (f *fake) History(_ context.Context, service string, limit int) ([]deploy.Rollout, error) {
	return []deploy.Rollout{{ID: 4, Service: service}}, f.note("history %q %d", service, limit)
}

func (f *fake) HasTree(_ context.Context, digest string) (bool, error) {
	return digest == "known", f.note("has %q", digest)
}

func (f *fake) PutTree(_ context.Context, tar io.Reader) (string, error) {
	data, err := io.ReadAll(tar)
	if nerr := f.note("put %d bytes", len(data)); nerr != nil {
		return "", nerr
	}
	return fmt.Sprint("digest of ", len(data)), err
}

func (f *fake) Deploy(_ context.Context, r DeployRequest) (Begun, error) {
	return Begun{Rollout: deploy.Rollout{ID: 5, Service: r.Spec.Name, Who: r.Who, Why: r.Why}}, f.note("deploy %s %s %v %v %s", r.Spec.Name, r.Tree, r.Force, r.Wait, r.Env["KEY"])
}

func (f *fake) change(what string, r Request) (Begun, error) {
	return Begun{Nothing: true}, f.note("%s %+v", what, r)
}

func (f *fake) Rollback(_ context.Context, r Request) (Begun, error) { return f.change("rollback", r) }
func (f *fake) Scale(_ context.Context, r Request) (Begun, error)    { return f.change("scale", r) }
func (f *fake) Restart(_ context.Context, r Request) (Begun, error)  { return f.change("restart", r) }
func (f *fake) Down(_ context.Context, r Request) (Begun, error)     { return f.change("down", r) }
func (f *fake) Contract(_ context.Context, r Request) (Begun, error) { return f.change("contract", r) }

func (f *fake) Plan(_ context.Context, r DeployRequest) (Plan, error) {
	return Plan{Service: r.Spec.Name, To: 2, Steps: []deploy.Step{{Verb: deploy.StepStart}}}, f.note("plan %s", r.Spec.Name)
}

func (f *fake) Maintain(_ context.Context, r MaintenanceRequest) (Maintenance, error) {
	return Maintenance{Writes: r.Writes, Who: r.Who, Doing: "waiting"}, f.note("maintain %+v", r)
}

func (f *fake) AwaitMaintenance(_ context.Context, r Request) (Maintenance, error) {
	return Maintenance{Who: r.Who, InFlight: 2}, f.note("await maintenance %+v", r)
}

func (f *fake) Pause(_ context.Context, r PauseRequest) (Paused, error) {
	return Paused{Pause: Pause{Max: r.Max, Who: r.Who}, InFlight: 2}, f.note("pause %+v", r)
}

func (f *fake) Promote(_ context.Context, r PromoteRequest) (Promoted, error) {
	return Promoted{}, f.note("promote %+v", r)
}

func (f *fake) Prepare(ctx context.Context, r PrepareRequest, tell func(PrepareEvent) error) error {
	return tellEach(ctx, f, fmt.Sprintf("prepare %s %s %v", r.Spec.Name, r.Env["KEY"], r.Again), tell)
}

func (f *fake) Preparations(_ context.Context, service string) ([]deploy.Preparation, error) {
	return []deploy.Preparation{{Service: service, Name: "warm"}}, f.note("preparations %q", service)
}

func (f *fake) NotifyTest(_ context.Context, r Request) ([]Notified, error) {
	return []Notified{{Receiver: "$CHAT", Error: "refused"}}, f.note("notify %+v", r)
}

func (f *fake) Resume(_ context.Context, r Request) (Resumed, error) {
	return Resumed{Parked: 3}, f.note("resume %+v", r)
}

func tellEach[T any](ctx context.Context, f *fake, what string, tell func(T) error) error {
	err := f.note("%s", what)
	for _, x := range f.tells {
		if terr := tell(x.(T)); terr != nil {
			return terr
		}
	}
	if f.block != nil {
		select {
		case <-ctx.Done():
			f.gone <- context.Cause(ctx)
			return context.Cause(ctx)
		case <-f.block:
		}
	}
	return err
}

func (f *fake) Watch(ctx context.Context, rollout, since int64, tell func(Event) error) error {
	return tellEach(ctx, f, fmt.Sprintf("watch %d %d", rollout, since), tell)
}

func (f *fake) Logs(ctx context.Context, r LogsRequest, line func(LogLine) error) error {
	return tellEach(ctx, f, fmt.Sprintf("logs %+v", r), line)
}

func (f *fake) Upgrade(ctx context.Context, r UpgradeRequest, tell func(string) error) error {
	return tellEach(ctx, f, "upgrade "+r.Binary, tell)
}

func (f *fake) Settings(_ context.Context, s Settings) error { return f.note("settings %+v", s) }
func (f *fake) Metrics(context.Context) ([]byte, error) {
	return []byte("segue_up 1\n"), f.note("metrics")
}
func (f *fake) Quit(_ context.Context, everything bool) error { return f.note("quit %v", everything) }

// serve serves an agent on a socket and returns its client.
func serve(t *testing.T, a Agent) (*Client, *http.Server) {
	t.Helper()
	return serveAt(t, filepath.Join(t.TempDir(), "agent.sock"), a)
}

func serveAt(t *testing.T, path string, a Agent) (*Client, *http.Server) {
	t.Helper()
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: Handler(a)}
	over := make(chan error, 1)
	go func() { over <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close() // some tests have closed it
		if err := <-over; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return NewClient(path), server
}

func (f *fake) Pass(_ context.Context, r PassRequest, tell func(string) error) error {
	return f.note("pass %s", r.Service)
}

func (f *fake) Freeze(_ context.Context, r FreezeRequest) (Freeze, error) {
	return Freeze{}, f.note("freeze %s %s", r.Service, r.Why)
}

func (f *fake) Unfreeze(_ context.Context, r Request) (Unfrozen, error) {
	return Unfrozen{}, f.note("unfreeze %+v", r)
}

func (f *fake) Lock(_ context.Context, r LockRequest, tell func(LockEvent) error) error {
	return f.note("lock %+v", r)
}

func (f *fake) Unlock(_ context.Context, r UnlockRequest) (Unlocked, error) {
	return Unlocked{}, f.note("unlock %+v", r)
}

func (f *fake) Gates(context.Context) (Gates, error) { return Gates{}, f.note("gates") }

func (f *fake) LookAtSource(_ context.Context, r SourceRequest) (Source, error) {
	return Source{}, f.note("source %+v", r)
}

func (f *fake) SourceLog(_ context.Context, service string) (string, error) {
	return "built", f.note("source log %q", service)
}
