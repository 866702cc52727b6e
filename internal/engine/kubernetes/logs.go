package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// LogQuery says whose lines, and which.
type LogQuery struct {
	Service  string
	Pod      string        // only this one; "" all of the service's
	Lines    int           // the last ones of each pod; 0 all
	Since    time.Duration // only those younger; 0 any
	Previous bool          // of the container that ran before, which has crashed
	Follow   bool          // go on with what is written from now on, by new pods too, until ctx ends
}

// readers is how many logs are read at the same time, without Follow.
const readers = 8

// Logs calls out for each line, never twice at the same time; its error ends
// the reading. Without Follow, lines come in the order of their time. With it, a
// pod's first lines come together, and Logs returns only when ctx ends or
// reading is in vain.
func (c *Cluster) Logs(ctx context.Context, q LogQuery, out func(LogLine) error) error {
	if q.Follow {
		return c.follow(ctx, following{label: podsOf(q.Service), pod: q.Pod, lines: q.Lines, since: q.Since, out: out})
	}
	pods, err := c.podsFor(ctx, q)
	if err != nil {
		return err
	}
	all, err := c.readAll(ctx, q, pods)
	if err != nil {
		return err
	}
	for _, l := range all {
		if err := out(l); err != nil {
			return err
		}
	}
	return nil
}

// podsOf selects the pods of a service's Deployments.
func podsOf(service string) string { return LabelName + "=" + service + "," + LabelDeployment }

// podsFor are the pods whose logs are asked for, as they are now.
func (c *Cluster) podsFor(ctx context.Context, q LogQuery) ([]Pod, error) {
	var list corev1.PodList
	if err := c.List(ctx, &list, podsOf(q.Service)); err != nil {
		return nil, err
	}
	var pods []Pod
	for i := range list.Items {
		if q.Pod == "" || list.Items[i].Name == q.Pod {
			pods = append(pods, podOf(&list.Items[i]))
		}
	}
	switch {
	case len(pods) > 0:
		return pods, nil
	case q.Pod != "":
		return nil, fmt.Errorf("service %s has no pod %s in namespace %s; a pod that is gone has taken its log along", q.Service, q.Pod, c.Namespace)
	}
	return nil, fmt.Errorf("service %s has no pods in namespace %s of context %s", q.Service, c.Namespace, c.Context)
}

// readAll reads the logs of pods, some at a time. A pod that has not written yet
// is no error.
func (c *Cluster) readAll(ctx context.Context, q LogQuery, pods []Pod) ([]LogLine, error) {
	var mu sync.Mutex
	var all []LogLine
	var failures []error
	var wg sync.WaitGroup
	free := make(chan struct{}, readers)
	for _, p := range pods {
		if q.Previous && !p.Crashed || p.State == Scheduling {
			continue
		}
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			var lines []LogLine
			r := reading{pod: p.Name, container: p.Container, lines: q.Lines, since: q.Since, previous: q.Previous}
			err := c.read(ctx, r, func(l LogLine) error {
				lines = append(lines, l)
				return nil
			})
			mu.Lock()
			defer mu.Unlock()
			all = append(all, lines...)
			if err != nil && p.State != Pulling && p.State != Starting {
				failures = append(failures, err)
			}
		})
	}
	wg.Wait()
	slices.SortStableFunc(all, func(a, b LogLine) int { return a.At.Compare(b.At) })
	if len(failures) == len(pods) {
		return nil, errors.Join(failures...) // of some, what there is serves better
	}
	return all, nil
}
