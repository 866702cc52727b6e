package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/engine/kubernetes"
)

// judge is the drill that a deploy is held under: from here against a URL, or
// from a Job in the cluster, as the command says or else the file. nil is none.
func (e *env) judge(c *kubernetes.Cluster, s *config.Service, flag string) (kubernetes.Drill, error) {
	in := s.Kubernetes.Drill
	switch {
	case flag == "" && in == nil:
		return nil, nil
	case flag == "" || flag == "cluster":
		return e.drillInside(c, s)
	}
	p := drill.Plan{URL: flag, Rate: 50}
	allowed := 0
	if in != nil {
		p.Rate, allowed = in.Rate, in.Lost
	}
	d, err := drill.New(p)
	if err != nil {
		return nil, &exitError{exitUsage, err.Error()}
	}
	return &drillOutside{drill: d, allowed: allowed, done: make(chan struct{})}, nil
}

// drillOutside is a drill from this machine.
type drillOutside struct {
	drill   *drill.Drill
	allowed int
	done    chan struct{}

	mu     sync.Mutex
	result *drill.Result
}

// Start implements kubernetes.Drill.
func (d *drillOutside) Start(ctx context.Context) error {
	go func() {
		defer close(d.done)
		r, err := d.drill.Run(context.WithoutCancel(ctx)) // Stop ends it, and what is under way is seen to its end
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.result = r; err != nil {
			d.result = nil
		}
	}()
	return nil
}

// Stop implements kubernetes.Drill.
func (d *drillOutside) Stop(ctx context.Context) error {
	d.drill.Stop()
	select {
	case <-d.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.result == nil {
		return errors.New("the drill could not be held")
	}
	return nil
}

// Lost implements kubernetes.Drill.
func (d *drillOutside) Lost() int { return int(d.drill.Snapshot().Lost) }

// Allowed implements kubernetes.Drill.
func (d *drillOutside) Allowed() int { return d.allowed }

// Report implements kubernetes.Drill.
func (d *drillOutside) Report() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.result == nil {
		s := d.drill.Snapshot()
		return fmt.Sprintf("%d sent, %d lost", s.Sent, s.Lost)
	}
	var b bytes.Buffer
	_ = d.result.WriteText(&b) // a buffer takes all
	return b.String()
}

// Done implements kubernetes.Drill.
func (d *drillOutside) Done() <-chan struct{} { return d.done }
