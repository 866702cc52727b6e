package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/kubernetes"
	"github.com/seguehq/segue/internal/engine/kubernetes/drilljob"
	"github.com/seguehq/segue/internal/image"
)

// drillInside is the drill from a Job that a deploy is held under.
func (e *env) drillInside(c *kubernetes.Cluster, s *config.Service) (kubernetes.Drill, error) {
	spec := drilljob.Spec{Service: s.Name, Rate: 50}
	if in := s.Kubernetes.Drill; in != nil {
		spec.Rate, spec.Path, spec.Allowed = in.Rate, in.Path, in.Lost
	}
	switch s.Proxy.Protocol {
	case deploy.TCP:
		return nil, fmt.Errorf("%s: a drill speaks HTTP, and the service speaks something else (proxy.protocol: tcp): deploy it without one", s.Name)
	case deploy.H2C:
		spec.HTTP2 = true
	}
	if len(s.Routes) > 0 && !strings.HasPrefix(s.Routes[0].Host, "*") {
		spec.Host = s.Routes[0].Host
	}
	var err error
	if spec.Image, err = e.drillImage(s.Kubernetes); err != nil {
		return nil, err
	}
	return drilljob.New(c, spec), nil
}

// drillImage is an image that has segue as its entry point, for drills.
func (e *env) drillImage(k *deploy.Kubernetes) (string, error) {
	if k != nil && k.Drill != nil && k.Drill.Image != "" {
		return k.Drill.Image, nil
	}
	return e.segueImage(k, "a drill in the cluster, without --image,")
}

// segueImage is an image that has segue as its entry point: the one that the file
// names, or one of this very program, beside the service's. what needs it.
func (e *env) segueImage(k *deploy.Kubernetes, what string) (string, error) {
	switch {
	case k != nil && k.Segue != "":
		return k.Segue, nil
	case k == nil || k.Repository == "":
		return "", &exitError{exitUsage, what + " needs an image that has segue as its entry point; name one (kubernetes: {segue: …}), or a repository that Segue may push its own to (kubernetes: {repository: …})"}
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	t := image.Tool{Name: "segue", Version: version(), Binary: self, Repository: k.Repository}
	return t.Push(e, func(p image.Progress) {
		if p.Ended {
			e.say("image of segue %s pushed, %s", t.Version, size(p.Size))
		}
	})
}

// inside holds the drill from a Job in a cluster.
func (c *drillCmd) inside(e *env, plan drill.Plan) error {
	s, k, err := e.drilled(c.URL)
	if err != nil {
		return err
	}
	cl, err := k.open(e)
	if err != nil {
		return err
	}
	spec, err := c.spec(plan)
	if err != nil {
		return &exitError{exitUsage, err.Error()}
	}
	if spec.Image == "" {
		if spec.Image, err = e.drillImage(s.Kubernetes); err != nil {
			return err
		}
	}
	var live *liveLine
	if f, ok := tty(e.err); ok && !e.flags.JSON {
		live = &liveLine{w: f}
		spec.Show = func(s drill.Snapshot) { live.show(drillLine(s)) }
	}
	d := drilljob.New(cl, spec)
	if err := d.Start(e); err != nil {
		return err
	}
	cmdErr := c.during(e, d, live)
	stopErr := d.Stop(context.WithoutCancel(e)) // which takes seconds, and has the report
	live.clear()
	r := d.Result()
	if r == nil {
		return &exitError{exitFailed, d.Report()}
	}
	r.Label = strings.Join(afterDashes(c.Command), " ")
	if err := c.tell(e, r, cmdErr); err != nil {
		return err
	}
	return stopErr
}

// during is what the drill is held for: the command, with some time before and
// after it, or nothing for a while.
func (c *drillCmd) during(e *env, d *drilljob.Drill, live *liveLine) error {
	argv := afterDashes(c.Command)
	if len(argv) == 0 {
		_ = await(e, c.Duration, d.Done())
		return nil
	}
	if err := await(e, c.Before, d.Done()); err != nil {
		return err
	}
	d.Mark("command begins")
	err := runCommand(e, e, argv, live)
	d.Mark(map[bool]string{true: "command ended", false: "command failed"}[err == nil])
	_ = await(e, c.After, d.Done())
	return err
}

// await waits for a while, or until ctx ends or the drill does.
func await(ctx context.Context, t time.Duration, done <-chan struct{}) error {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// spec is the drill of the command's flags.
func (c *drillCmd) spec(p drill.Plan) (drilljob.Spec, error) {
	s := drilljob.Spec{Image: c.Image, Rate: c.Rate, Timeout: c.Timeout, Args: []string{
		"--mix=" + c.Mix, fmt.Sprintf("--connections=%d", c.Connections), "--release-header=" + c.ReleaseHeader,
		"--expect-status=" + c.ExpectStatus}}
	if strings.Contains(c.URL, "://") {
		s.URL = c.URL
	} else {
		s.Service = c.URL
	}
	if p.Method != "" {
		s.Args = append(s.Args, "--method="+p.Method)
	}
	if p.Body != nil {
		s.Args = append(s.Args, "--body="+string(p.Body))
		if strings.HasPrefix(string(p.Body), "@") {
			return s, fmt.Errorf("a body that begins with @ cannot be sent from a Job")
		}
	}
	if c.ExpectBody != "" {
		s.Args = append(s.Args, "--expect-body="+c.ExpectBody)
	}
	for _, h := range c.Header {
		s.Args = append(s.Args, "--header="+h)
	}
	if c.NoPeek {
		s.Args = append(s.Args, "--no-peek")
	}
	return s, nil
}

// drilled finds the cluster of a service, or of --to, and what the file says of
// the service; for a URL the file's first service in a cluster is asked.
func (e *env) drilled(target string) (config.Service, cluster, error) {
	found, err := e.inFile()
	if err != nil {
		return config.Service{}, cluster{}, err
	}
	for _, s := range found {
		k, ok := s.fleet.(cluster)
		if ok && (s.Name == target || strings.Contains(target, "://")) {
			return s.Service, k, nil
		}
	}
	if e.flags.To == "" {
		return config.Service{}, cluster{}, &exitError{exitUsage, "which cluster is the drill to be held in? Name it with --to kubernetes:CONTEXT/NAMESPACE, or run where a segue.yaml has a service of that name with engine: kubernetes"}
	}
	w, err := parseWhere(e.flags.To)
	if err != nil {
		return config.Service{}, cluster{}, err
	}
	f, err := e.fleetOf(w, nil)
	k, ok := f.(cluster)
	if err == nil && !ok {
		err = &exitError{exitUsage, "--in-cluster needs --to kubernetes"}
	}
	return config.Service{}, k, err
}
