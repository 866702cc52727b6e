package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
)

// JobError is why a Job failed.
type JobError struct {
	Job    string
	Reason string // in the cluster's words: BackoffLimitExceeded: …
	Exit   int    // exit code of its last container; -1 unknown
	Last   string // lines that it wrote last
}

func (e *JobError) Error() string {
	text := "job " + e.Job + " failed: " + e.Reason
	if e.Last != "" {
		text += "\n" + e.Last
	}
	return text
}

// Run makes the Job, or joins the one of its name, and waits for its end. What
// its pods write goes to out while they run, each line by one Write. If ctx ends
// first the Job is deleted with its pods. A Job that fails is a *JobError.
func (c *Cluster) Run(ctx context.Context, job *batchv1.Job, out io.Writer) error {
	err := c.Create(ctx, job.DeepCopy())
	if err != nil && !IsThere(err) {
		return err
	}
	err = c.wait(ctx, job.Name, out)
	if ctx.Err() == nil {
		return err
	}
	off, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	return errors.Join(context.Cause(ctx), c.Delete(off, Ref{Kind: "Job", Name: job.Name}))
}

// wait takes a Job to its end.
func (c *Cluster) wait(ctx context.Context, name string, out io.Writer) error {
	r := &run{name: name, out: out, jobs: map[string]Job{}, exit: -1}
	jobs := keep("Job", "", r.jobs, jobOf, nil)
	jobs.field = "metadata.name=" + name
	err := c.follow(ctx, following{
		label: batchv1.JobNameLabel + "=" + name, out: r.line,
		also: []watched{jobs}, over: r.over, seen: r.look,
	})
	if err != nil {
		return err
	}
	return r.result()
}

// run is a Job under way.
type run struct {
	name string
	out  io.Writer
	last []string // lines

	jobs map[string]Job
	end  Job
	exit int    // of the pod that ended last
	why  string // a pod of it does not run
}

// lastLines is how many lines an error tells.
const lastLines = 10

func (r *run) line(l LogLine) error {
	r.last = append(r.last, l.Line)
	r.last = r.last[max(0, len(r.last)-lastLines):]
	_, err := io.WriteString(r.out, l.Line+"\n")
	return err
}

// over reports whether the Job is: it is then as it will stay.
func (r *run) over() (bool, error) {
	j, there := r.jobs[r.name]
	if !there {
		return false, fmt.Errorf("job %s was deleted before its end", r.name)
	}
	r.end = j
	return j.Done || j.Failed != "", nil
}

// look remembers of the pods what is lost when a Job that has failed takes them
// away.
func (r *run) look(pods map[string]Pod) {
	for _, p := range pods {
		if p.exit >= 0 {
			r.exit = p.exit
		}
		switch {
		case p.Why != "" && p.exit < 0 && p.State != Draining:
			r.why = p.Name + ": " + string(p.State) + ": " + p.Why
		case p.State == Probing || p.State == Ready:
			r.why = "" // it has got over that
		}
	}
}

func (r *run) result() error {
	if r.end.Done {
		return nil
	}
	e := &JobError{Job: r.name, Reason: r.end.Failed, Exit: r.exit, Last: strings.Join(r.last, "\n")}
	switch {
	case r.why != "":
		e.Reason += "; " + r.why
	case r.exit > 0:
		e.Reason += fmt.Sprintf("; its program ended with exit code %d", r.exit)
	}
	return e
}
