package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/kubernetes"
)

// A clusterView shows a rollout in a cluster as it goes.
type clusterView struct {
	e    *env
	view *view
}

// show tells of an event: what concerns a pod in the pod's line, and what stays
// in one of its own.
func (v *clusterView) show(ev kubernetes.Event) {
	if v.view == nil {
		v.view = v.e.blankView(ev.At)
	}
	switch ev.Kind {
	case kubernetes.EventPod:
		step := deploy.Step{Verb: podVerb(ev.Pod.State)}
		v.view.set(control.Event{At: ev.At, Instance: ev.Pod.Name, Step: &step}, podWords(*ev.Pod))
	case kubernetes.EventStep:
		v.step(ev)
	case kubernetes.EventObject:
		if ev.Object.Op != kubernetes.Same {
			v.view.note(fmt.Sprintf("%8s  %s %s %s", since(v.view.began, ev.At), ev.Object.Kind, ev.Object.Name, ev.Object.Op))
		}
	case kubernetes.EventHook:
		for line := range strings.Lines(ev.Text) {
			v.view.note(ev.Hook + ": " + strings.TrimRight(line, "\n"))
		}
	case kubernetes.EventNote:
		v.view.set(control.Event{At: ev.At, Instance: stageLine}, summary(ev.Text))
	case kubernetes.EventWarning:
		v.view.note("warning: " + ev.Text)
	}
}

func (v *clusterView) step(ev kubernetes.Event) {
	switch ev.Step.Verb {
	case deploy.StepBegin:
		v.view.note(fmt.Sprintf("rollout %d: %s to release %d", ev.Rollout, ev.Service, ev.Step.Release))
	case deploy.StepExpanded, deploy.StepBackfilled, deploy.StepContracted:
		v.view.clear(stageLine)
		v.view.note(fmt.Sprintf("%8s  %s: %s", since(v.view.began, ev.At), ev.Step.Verb, ev.Step.Note))
	case deploy.StepStage:
		v.view.note(fmt.Sprintf("%8s  stage %d of %d: %s", since(v.view.began, ev.At), ev.Stage+1, ev.Stages, ev.Step.Note))
		v.view.clear(stageLine)
	case deploy.StepBack:
		v.view.note("going back: " + ev.Step.Note)
		v.view.clear(stageLine)
	case deploy.StepPromote:
		v.view.note(fmt.Sprintf("%8s  promoted: %s", since(v.view.began, ev.At), ev.Step.Note))
	}
}

func (v *clusterView) close() {
	if v.view != nil {
		v.view.close()
	}
}

// podVerb is what an instance of a machine would be doing.
func podVerb(s kubernetes.State) deploy.Verb {
	switch s {
	case kubernetes.Ready:
		return deploy.StepShift
	case kubernetes.Draining:
		return deploy.StepDrain
	case kubernetes.Gone:
		return deploy.StepGone
	}
	return deploy.StepStart
}

func podWords(p kubernetes.Pod) string {
	text := string(p.State)
	if p.Node != "" && (p.State == kubernetes.Pulling || p.State == kubernetes.Starting) {
		text += " on " + p.Node
	}
	if p.Release > 0 && p.State == kubernetes.Ready {
		text += fmt.Sprintf(", release %d", p.Release)
		if !p.Routed {
			text += ", without requests"
		}
	}
	if p.Why != "" {
		text += ": " + summary(p.Why)
	}
	return text
}

func writeClusterPlan(w out, c *kubernetes.Cluster, p kubernetes.Plan) {
	fmt.Fprintf(w, "context %s, namespace %s\n", c.Context, c.Namespace)
	switch {
	case p.Nothing:
		fmt.Fprintf(w, "%s: nothing to do, release %d serves as the file says\n", p.Service, p.From)
		return
	case p.From == 0:
		fmt.Fprintf(w, "%s: release %d is new\n", p.Service, p.To)
	case p.From == p.To:
		fmt.Fprintf(w, "%s: release %d stays\n", p.Service, p.To)
	default:
		fmt.Fprintf(w, "%s: release %d takes the place of release %d\n", p.Service, p.To, p.From)
	}
	for _, text := range p.Warnings {
		fmt.Fprintln(w, "  warning:", text)
	}
	for n, stage := range p.Stages {
		fmt.Fprintf(w, "  stage %d  %s\n", n+1, stage)
	}
	for _, c := range p.Changes {
		fmt.Fprintf(w, "  %s %s: %s\n", c.Kind, c.Name, c.Op)
		for _, d := range c.Diff {
			fmt.Fprintf(w, "    %s: %s → %s\n", d.Path, dash(d.Old), dash(d.New))
		}
	}
}

func (k cluster) status(e *env, services []string, watch bool) error {
	c, err := k.open(e)
	if err != nil {
		return err
	}
	for {
		st, err := c.Status(e, services...)
		if err == nil {
			err = e.redraw(watch, st, func(w out) { writeClusterStatus(w, c, st, time.Now()) })
		}
		if err != nil || !watch {
			return err
		}
		if pause(e, time.Second) != nil {
			return nil
		}
	}
}

// redraw prints v; again and again on one screen where it is watched.
func (e *env) redraw(watch bool, v any, text func(out)) error {
	if !watch {
		return e.print(v, text)
	}
	var b bytes.Buffer
	if err := (&env{Context: e, out: &b, flags: e.flags}).print(v, text); err != nil {
		return err
	}
	shown := b.String()
	if f, ok := tty(e.out); ok && !e.flags.JSON {
		width, height := terminalSize(f)
		shown = "\x1b[H\x1b[J" + fit(shown, width, height)
	}
	_, err := io.WriteString(e.out, shown)
	return err
}

func writeClusterStatus(w out, c *kubernetes.Cluster, all []kubernetes.Status, now time.Time) {
	fmt.Fprintf(w, "context %s, namespace %s\n", c.Context, c.Namespace)
	if len(all) == 0 {
		fmt.Fprintln(w, "no services; `segue deploy` brings one up")
	}
	for _, s := range all {
		fmt.Fprintf(w, "\n%s  release %d, %d wanted", s.Service, s.Release, s.Replicas)
		if s.Image != "" {
			fmt.Fprintf(w, ", %s", s.Image)
		}
		fmt.Fprintln(w)
		if r := s.Rollout; r != nil {
			fmt.Fprintf(w, "  rollout %d, %s, to release %d, begun %s ago by %s\n", r.ID, r.Phase, r.To, ago(now.Sub(r.Began)), r.Who)
			if s.Stage != "" {
				fmt.Fprintf(w, "  stage %d, %s\n", r.Stage+1, s.Stage)
			}
			if s.Left {
				did := ""
				if s.Holder != "" {
					did = " (" + s.Holder + " did)"
				}
				fmt.Fprintf(w, "  nobody works on it any more%s; `segue deploy` goes on with it, `segue rollback %s` undoes it\n", did, s.Service)
			}
		}
		if s.Contract != nil {
			fmt.Fprintf(w, "  contract of %s %s\n", deploy.Migrations(s.Contract.Migrations), dueWords(s.Service, s.Contract, now))
		}
		if s.Problem != "" {
			fmt.Fprintf(w, "  problem: %s\n", printable(s.Problem))
		}
		if len(s.Pods) > 0 {
			writeTable(w, func(t out) { writePods(t, s.Pods, now) })
		}
	}
}

// dueWords tell when a contract is to come, and by what.
func dueWords(service string, d *kubernetes.Due, now time.Time) string {
	left := d.At.Sub(now)
	how := fmt.Sprintf("; `segue migrate contract %s` or the next deploy does it", service)
	if d.Manual {
		how = fmt.Sprintf("; `segue migrate contract %s` does it", service)
	}
	if left > 0 {
		return fmt.Sprintf("in %s, until then the way back is promised%s", ago(left), how)
	}
	return fmt.Sprintf("due since %s%s", d.At.Local().Format(time.DateTime), how)
}

func writePods(t out, pods []kubernetes.Pod, now time.Time) {
	fmt.Fprintln(t, "  POD\tRELEASE\tSTATE\tFOR\tNODE\tREQUESTS\tRESTARTS\t")
	for _, p := range pods {
		gets := "no"
		switch {
		case p.Routed:
			gets = "yes"
		case p.Serving:
			gets = "its last"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", p.Name, orDash(p.Release), p.State, ago(now.Sub(p.Since)), dash(p.Node), gets, p.Restarts, printable(firstLine(p.Why)))
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func writeClusterReleases(t out, rs []kubernetes.Release) {
	fmt.Fprintln(t, "SERVICE\tRELEASE\tMADE\tBY\tIMAGE\t")
	for _, r := range rs {
		serving := ""
		if r.Serving {
			serving = "serving"
		}
		if len(r.TooOld) > 0 {
			serving = "cannot serve: lacks " + deploy.Migrations(r.TooOld) + ", contracted"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\n", r.Service, r.Number, r.Made.Local().Format("2006-01-02 15:04:05"), r.Who, r.Image, serving)
	}
}
