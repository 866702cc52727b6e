package drilljob

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/engine/kubernetes"
)

// paper is a cluster in which a Job writes what the test says. What a real one
// does is seen in test/kubernetes/inside.
type paper struct {
	job     *batchv1.Job
	run     func(ctx context.Context, out io.Writer, halted <-chan struct{}) error
	halted  chan struct{}
	deleted []string
	pods    []corev1.Pod
	left    []batchv1.Job // drills of others
}

func (p *paper) Get(_ context.Context, obj runtime.Object) error {
	s := obj.(*corev1.Service)
	s.Spec.ClusterIP, s.Spec.Ports = "10.0.0.7", []corev1.ServicePort{{Port: 8080}}
	return nil
}

func (p *paper) List(_ context.Context, list runtime.Object, _ string) error {
	switch l := list.(type) {
	case *discoveryv1.EndpointSliceList:
		l.Items = []discoveryv1.EndpointSlice{{Endpoints: []discoveryv1.Endpoint{{}}}}
	case *corev1.PodList:
		l.Items = p.pods
	case *batchv1.JobList:
		l.Items = p.left
	}
	return nil
}

func (p *paper) Apply(context.Context, ...runtime.Object) ([]kubernetes.Change, error) {
	close(p.halted)
	return nil, nil
}

func (p *paper) Delete(_ context.Context, refs ...kubernetes.Ref) error {
	for _, r := range refs {
		p.deleted = append(p.deleted, r.Name)
	}
	return nil
}

func (p *paper) Run(ctx context.Context, job *batchv1.Job, out io.Writer) error {
	p.job = job
	return p.run(ctx, out, p.halted)
}

func newPaper(run func(ctx context.Context, out io.Writer, halted <-chan struct{}) error) *paper {
	return &paper{run: run, halted: make(chan struct{}), pods: []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "pod"}}}}
}

// tell writes a line as `segue drill` does.
func tell(t *testing.T, out io.Writer, key string, value any) {
	t.Helper()
	line, err := json.Marshal(map[string]any{key: value})
	if err != nil {
		t.Error(err)
	}
	if _, err := out.Write(append(line, '\n')); err != nil {
		t.Error(err)
	}
}

func live(sent, lost int64, after time.Duration) drill.Snapshot {
	return drill.Snapshot{Elapsed: after, Count: drill.Count{Sent: sent, OK: sent - lost, Lost: lost}, ByClass: map[drill.Class]int64{drill.ServerError: lost}}
}

func result(t *testing.T, sent, lost int64) json.RawMessage {
	t.Helper()
	var b bytes.Buffer
	r := drill.Result{Count: drill.Count{Sent: sent, OK: sent - lost, Lost: lost}, Sending: 41 * time.Second, Plan: drill.PlanSummary{Rate: 10}}
	if err := r.WriteJSON(&b); err != nil {
		t.Error(err)
	}
	return b.Bytes()
}

var errFailed = errors.New("job failed: BackoffLimitExceeded")

func TestADrillIsToldOfByItsLogAndEndedByADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaper(func(_ context.Context, out io.Writer, halted <-chan struct{}) error {
			tell(t, out, "live", live(0, 0, time.Second))
			tell(t, out, "live", live(20, 1, 2*time.Second))
			tell(t, out, "live", live(10, 0, time.Second)) // the log was read again from an earlier line
			<-halted
			tell(t, out, "result", result(t, 50, 2))
			return errFailed // DeadlineExceeded
		})
		p.left = []batchv1.Job{{ObjectMeta: metav1.ObjectMeta{Name: "left-behind"}}}
		var shown []int64
		d := New(p, Spec{Service: "shop", Rate: 10, Allowed: 3, Show: func(s drill.Snapshot) { shown = append(shown, s.Sent) }})
		if err := d.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if d.Lost() != 1 || d.Allowed() != 3 || d.Result() != nil || !strings.Contains(d.Report(), "20 sent, 1 lost\n1 × "+drill.ServerError.Words()) || !slices.Equal(shown, []int64{0, 20}) {
			t.Error(d.Lost(), d.Report(), shown)
		}
		time.Sleep(3 * time.Second)
		d.Mark("half")
		if err := d.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		<-d.Done()
		if d.Lost() != 2 || !strings.Contains(d.Report(), "2 lost of 50 requests") || !slices.Equal(p.deleted, []string{"left-behind", p.job.Name}) {
			t.Error(d.Lost(), d.Report(), p.deleted)
		}
		if marks := d.Result().Marks; len(marks) != 1 || marks[0].At != 5*time.Second {
			t.Errorf("the mark came 5 s after the start, and is at %v", marks)
		}
	})
}

func TestADrillWhosePodGoesIsNoProof(t *testing.T) {
	tests := map[string]struct {
		told bool
		want []string
	}{
		"with a report":    {true, []string{"went after 41s", "BackoffLimitExceeded", "what came later was not watched", "0 lost of 50"}},
		"without a report": {false, []string{"without a report", "20 requests were sent", "out of memory"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPaper(func(_ context.Context, out io.Writer, _ <-chan struct{}) error {
				tell(t, out, "live", live(20, 0, time.Second))
				_, _ = io.WriteString(out, "out of memory\n")
				if tt.told {
					tell(t, out, "result", result(t, 50, 0))
				}
				return errFailed
			})
			d := New(p, Spec{Service: "shop", Rate: 10})
			if err := d.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-d.Done()
			if err := d.Stop(t.Context()); err == nil {
				t.Error("nothing is said of it")
			}
			for _, part := range tt.want {
				if !strings.Contains(d.Report(), part) {
					t.Errorf("%q is not in: %s", part, d.Report())
				}
			}
		})
	}
}

func TestADrillThatSendsNothingSaysWhatItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaper(func(ctx context.Context, _ io.Writer, _ <-chan struct{}) error {
			<-ctx.Done()
			return ctx.Err()
		})
		p.pods[0].Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}}}
		d := New(p, Spec{URL: "http://shop", Rate: 10})
		if err := d.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "after 2m0s: ImagePullBackOff: no such image") {
			t.Error(err)
		}
		<-d.Done()
	})
}

func TestADrillsStartIsCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := newPaper(func(ctx context.Context, _ io.Writer, _ <-chan struct{}) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	d := New(p, Spec{URL: "http://shop", Rate: 10})
	if err := d.Start(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-d.Done()
}

func TestADrillsPodIsOfNoService(t *testing.T) {
	d := New(newPaper(nil), Spec{Service: "shop", Path: "health", Host: "shop.example", HTTP2: true, Image: "segue:1", Rate: 12.5})
	url, err := d.url(t.Context())
	if err != nil || url != "http://10.0.0.7:8080/health" {
		t.Error(url, err)
	}
	j := d.job(url)
	if name := j.Spec.Template.Labels[kubernetes.LabelName]; name == "shop" {
		t.Error("the service's own Service would send requests to the drill")
	}
	if len(j.Name) > 63 || *j.Spec.BackoffLimit != 0 {
		t.Error(j.Name, *j.Spec.BackoffLimit)
	}
	args := j.Spec.Template.Spec.Containers[0].Args
	for _, want := range []string{url, "--rate=12.5", "--header=Host: shop.example", "--mix=http2=1", "--duration=4h0m0s"} {
		if !slices.Contains(args, want) {
			t.Errorf("%s is not in %q", want, args)
		}
	}
}
