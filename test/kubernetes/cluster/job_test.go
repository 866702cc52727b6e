//go:build kubernetes

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/seguehq/segue/internal/engine/kubernetes"
	"github.com/seguehq/segue/test/kubernetes/kubelab"
)

// task is a Job of test/kubernetes/programs/task.
func (p *place) task(name string, env ...string) *batchv1.Job {
	p.w.T.Helper()
	j := &batchv1.Job{}
	j.Name, j.Labels = name, labels()
	j.Spec.BackoffLimit = new(int32)
	j.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	j.Spec.Template.Spec.Containers = []corev1.Container{{Name: "task", Image: p.taskImage(), Env: variables(env)}}
	return j
}

func (p *place) taskImage() string {
	p.w.T.Helper()
	return p.w.Image("task", map[string]string{"app": kubelab.Static(p.w.T, "./test/kubernetes/programs/task")})
}

func TestWhatAJobWritesIsShownAndItsFailureExplained(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var out strings.Builder
	if err := p.Run(p.ctx, p.task("migrate", "LINES", "40"), &out); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), "line "); got != 40 || !strings.HasSuffix(out.String(), "line 40\n") {
		t.Errorf("of 40 lines it has shown %d:\n%s", got, out.String())
	}
	if err := p.Run(p.ctx, p.task("migrate", "CODE", "9"), io.Discard); err != nil {
		t.Errorf("joined, as it has been done: %v", err)
	}

	err := p.Run(p.ctx, p.task("broken", "LINES", "3", "CODE", "7"), io.Discard)
	var failed *kubernetes.JobError
	if !errors.As(err, &failed) || failed.Exit != 7 || failed.Last != "line 1\nline 2\nline 3" || !strings.Contains(failed.Reason, "BackoffLimitExceeded") {
		t.Errorf("got %#v", err)
	}

	late := p.task("late", "LINES", "-1", "EVERY", "50ms")
	late.Spec.ActiveDeadlineSeconds = seconds(6)
	if err := p.Run(p.ctx, late, io.Discard); !errors.As(err, &failed) || !strings.Contains(failed.Reason, "DeadlineExceeded") || !strings.Contains(failed.Last, "line ") {
		t.Errorf("out of time: %v", err)
	}

	stuck := p.task("stuck")
	stuck.Spec.ActiveDeadlineSeconds = seconds(5)
	stuck.Spec.Template.Spec.Containers[0].Image = p.w.Lab.Registry + "/nobody/nothing:1"
	if err := p.Run(p.ctx, stuck, io.Discard); !errors.As(err, &failed) || !strings.Contains(failed.Reason, "pulling: ") {
		t.Errorf("without an image: %v", err)
	}
}

func TestAJobThatIsCalledOffIsGoneWithItsPods(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	out := lineFunc(func(string) { cancel() }) // as soon as it works
	if err := p.Run(ctx, p.task("endless", "LINES", "-1"), out); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := p.Gone(p.ctx, kubernetes.Ref{Kind: "Job", Name: "endless"}); err != nil {
		t.Fatal(err)
	}
	if pods := p.w.Kubectl("get", "pods", "--output=name"); pods != "" {
		t.Errorf("there is still %s", pods)
	}
}

func seconds(n int64) *int64 { return &n }

// lineFunc is told of each line.
type lineFunc func(string)

func (f lineFunc) Write(line []byte) (int, error) {
	f(string(line))
	return len(line), nil
}

func TestLogsAreFollowedIntoPodsThatCome(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	v := p.running(2)
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	var mu sync.Mutex
	wrote := map[string][]string{}
	ended := make(chan error, 1)
	go func() {
		ended <- p.Logs(ctx, kubernetes.LogQuery{Service: "shop", Follow: true}, func(l kubernetes.LogLine) error {
			mu.Lock()
			defer mu.Unlock()
			wrote[l.Pod] = append(wrote[l.Pod], l.Line)
			return nil
		})
	}()
	if _, err := p.Apply(p.ctx, p.shop(2, "SEGUE_RELEASE", "8")); err != nil {
		t.Fatal(err)
	}
	now := p.until(v, "the new ones have replaced the old ones", func(now kubernetes.Picture) bool {
		return settled(now) && len(now.Pods) == 2
	})
	p.w.Until("what the new pods wrote is there", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.IndexFunc(now.Pods, func(pod kubernetes.Pod) bool {
			return !strings.Contains(strings.Join(wrote[pod.Name], "\n"), "release 8,")
		}) < 0
	})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("following ended with %v", err)
	}
	for pod, lines := range wrote {
		if starts := strings.Count(strings.Join(lines, "\n"), "pid "); starts != 1 {
			t.Errorf("%s has started once, and is shown to have %d times:\n%s", pod, starts, lines)
		}
	}

	var last []string
	err := p.Logs(p.ctx, kubernetes.LogQuery{Service: "shop", Lines: 1}, func(l kubernetes.LogLine) error {
		last = append(last, fmt.Sprint(l.Pod, " ", l.Line))
		return nil
	})
	if err != nil || len(last) != 2 {
		t.Errorf("the last line of each: %q, %v", last, err)
	}
	if err := p.Logs(p.ctx, kubernetes.LogQuery{Service: "nobody"}, nil); err == nil || !strings.Contains(err.Error(), "has no pods") {
		t.Errorf("of a service that is not there: %v", err)
	}
}
