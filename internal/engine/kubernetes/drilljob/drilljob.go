// Package drilljob holds a drill from inside a cluster: a Job there runs `segue
// drill`, which tells of itself by its log. It promises that
//
//   - Start returns when requests flow, or says why they cannot;
//   - the drill's numbers are those of its log, at most a second old;
//   - it ends, with its report, when it is told to. Nobody needs the right to
//     run commands in pods for that: the pod is given a deadline;
//   - if the pod goes before that, because its node is drained or fails, that is
//     said, and not taken for an answer.
package drilljob

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/engine/kubernetes"
)

// Spec is a drill. Service or URL says where the requests go to.
type Spec struct {
	Service string // at its cluster address; one that has no pods yet gets none
	URL     string
	Path    string // of Service; "" is /
	Host    string // header; "" the address
	HTTP2   bool   // Service speaks HTTP/2 without TLS, and nothing else

	Image   string // whose entry point is segue
	Rate    float64
	Args    []string      // more flags of `segue drill`
	Allowed int           // lost requests that do not undo a rollout
	Timeout time.Duration // how long a request may take; 0: ten seconds
	Limit   time.Duration // one that nobody ends, ends after it; 0: four hours

	Show func(drill.Snapshot) // gets live numbers each second; may be nil
}

// Cluster is what a drill needs of one; kubernetes.Cluster is it.
type Cluster interface {
	Get(ctx context.Context, obj runtime.Object) error
	List(ctx context.Context, list runtime.Object, selector string) error
	Apply(ctx context.Context, objs ...runtime.Object) ([]kubernetes.Change, error)
	Delete(ctx context.Context, refs ...kubernetes.Ref) error
	Run(ctx context.Context, job *batchv1.Job, out io.Writer) error
}

// Drill is one: Start, once, then Stop. Its methods may be called by any
// goroutine. It is a kubernetes.Drill.
type Drill struct {
	cluster Cluster
	spec    Spec
	name    string // of the Job

	flows  chan struct{} // closed when the first request was answered, or lost
	done   chan struct{} // closed when the Job has ended, or never was
	cancel context.CancelFunc

	mu      sync.Mutex
	ended   bool // by Stop
	early   bool // it told its result before Stop
	nothing bool // there is nothing to send to
	live    drill.Snapshot
	at      time.Time // when live was told
	said    []string  // its last lines that are no numbers
	result  *drill.Result
	marks   []drill.Mark
	failure error // why the Job ended by itself
}

var _ kubernetes.Drill = (*Drill)(nil)

// New plans a drill. It does nothing yet.
func New(c Cluster, s Spec) *Drill {
	if s.Limit == 0 {
		s.Limit = 4 * time.Hour
	}
	if s.Timeout == 0 {
		s.Timeout = 10 * time.Second
	}
	return &Drill{cluster: c, spec: s, name: jobName(s), flows: make(chan struct{}), done: make(chan struct{}), cancel: func() {}}
}

// startTime is how long a cluster gets to have the drill send: to find a node
// and pull an image.
const startTime = 2 * time.Minute

// Start makes the Job and waits until its requests are answered or lost. They
// flow until Stop, even when ctx ends after Start has returned: what is undone
// because of it is to be watched, too.
func (d *Drill) Start(ctx context.Context) error {
	url, err := d.url(ctx)
	if err != nil {
		return err
	}
	if url == "" {
		d.nothing = true
		close(d.done)
		return nil
	}
	if err := d.sweep(ctx); err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.cancel = cancel
	go func() {
		defer close(d.done)
		d.end(d.cluster.Run(running, d.job(url), d))
	}()
	if err := d.await(ctx); err != nil {
		cancel() // which deletes the Job
		<-d.done
		return err
	}
	return nil
}

// await waits for the first answer.
func (d *Drill) await(ctx context.Context) error {
	late := time.NewTimer(startTime)
	defer late.Stop()
	select {
	case <-d.flows:
		return nil
	case <-d.done:
		select {
		case <-d.flows: // and it has ended since
			return nil
		default:
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		return fmt.Errorf("job %s has sent nothing: %w%s", d.name, d.failure, lines(d.said))
	case <-late.C:
		return fmt.Errorf("job %s sends nothing after %s: %s", d.name, startTime, d.hangs(ctx))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end notes how the Job ended. One that has told its result has done its work,
// whatever the cluster says of its exit.
func (d *Drill) end(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.result != nil && !d.early {
		return
	}
	if err == nil {
		err = errors.New("it has ended by itself")
	}
	d.failure = err
}

// Write takes one line of the drill's log.
func (d *Drill) Write(line []byte) (int, error) {
	var told struct {
		Live   *drill.Snapshot `json:"live"`
		Result json.RawMessage `json:"result"`
	}
	err := json.Unmarshal(line, &told)
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err != nil || told.Live == nil && told.Result == nil:
		d.said = append(d.said, strings.TrimSpace(string(line)))
		d.said = d.said[max(0, len(d.said)-5):]
	case told.Result != nil:
		if r, err := drill.ReadJSON(bytes.NewReader(told.Result)); err == nil {
			d.result, d.early = r, !d.ended
		}
	case told.Live.Elapsed >= d.live.Elapsed: // a log that is read again begins earlier
		d.seen(*told.Live)
	}
	return len(line), nil
}

func (d *Drill) seen(s drill.Snapshot) {
	if d.live.Sent == 0 && s.Sent > 0 {
		close(d.flows)
	}
	d.live, d.at = s, time.Now()
	if d.spec.Show != nil {
		d.spec.Show(s)
	}
}

// Stop has the drill end, and waits for its report. It fails if there is none,
// or if it does not cover all the time until now.
func (d *Drill) Stop(ctx context.Context) error {
	defer d.cancel()
	if d.nothing {
		return nil
	}
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	late := time.NewTimer(d.grace() + 30*time.Second)
	defer late.Stop()
	if err := d.halt(ctx); err != nil {
		return fmt.Errorf("end the drill in the cluster: %w", err)
	}
	select {
	case <-d.done:
	case <-late.C:
	case <-ctx.Done():
	}
	d.cancel() // a Job that does not end is deleted
	<-d.done
	err := d.cluster.Delete(context.WithoutCancel(ctx), kubernetes.Ref{Kind: "Job", Name: d.name})
	d.mu.Lock()
	defer d.mu.Unlock()
	if gap := d.gap(); gap != "" {
		return errors.New(gap)
	}
	return err
}

// Done is closed when the drill has ended.
func (d *Drill) Done() <-chan struct{} { return d.done }

// Allowed is how many lost requests do not undo a rollout.
func (d *Drill) Allowed() int { return d.spec.Allowed }

// Lost is how many requests were lost, as far as was told.
func (d *Drill) Lost() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.result != nil {
		return int(d.result.Lost)
	}
	return int(d.live.Lost)
}

// Mark puts a named instant on the report's timeline.
func (d *Drill) Mark(label string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.at.IsZero() {
		d.marks = append(d.marks, drill.Mark{At: d.live.Elapsed + time.Since(d.at), Label: label})
	}
}

// Result is the whole report, with the marks; nil while there is none.
func (d *Drill) Result() *drill.Result {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.whole()
}

func (d *Drill) whole() *drill.Result {
	if d.result == nil {
		return nil
	}
	r := *d.result
	r.Marks = append(r.Marks[:len(r.Marks):len(r.Marks)], d.marks...)
	return &r
}

// gap says what the drill did not see; "" is nothing.
func (d *Drill) gap() string {
	switch {
	case d.failure != nil && d.result != nil:
		return fmt.Sprintf("the drill's pod went after %s (%v): what came later was not watched", d.result.Sending.Round(time.Second), d.failure)
	case d.failure != nil:
		return fmt.Sprintf("the drill's pod went after %s without a report (%v): %d requests were sent until then, and %d lost; what came later was not watched%s",
			d.live.Elapsed.Round(time.Second), d.failure, d.live.Sent, d.live.Lost, lines(d.said))
	}
	return ""
}

// Report tells for people what was lost, and where.
func (d *Drill) Report() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.nothing {
		return "no drill: nothing served yet that requests could be sent to"
	}
	var b strings.Builder
	if gap := d.gap(); gap != "" {
		b.WriteString(gap + "\n")
	}
	if r := d.whole(); r != nil {
		_ = r.WriteText(&b) // a builder takes all
	} else {
		fmt.Fprintf(&b, "drill from inside the cluster: %d sent, %d lost\n", d.live.Sent, d.live.Lost)
		for _, class := range slices.Sorted(maps.Keys(d.live.ByClass)) {
			fmt.Fprintf(&b, "%d × %s\n", d.live.ByClass[class], class.Words())
		}
	}
	return b.String()
}

func lines(said []string) string {
	if len(said) == 0 {
		return ""
	}
	return "\n" + strings.Join(said, "\n")
}
