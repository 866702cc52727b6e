package cli

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/engine/ecs"
)

// status looks again every few seconds where it is watched: each look is some
// requests to AWS, which bounds them.
func (k ecsCluster) status(e *env, services []string, watch bool) error {
	c, err := k.open(e)
	if err != nil {
		return err
	}
	for {
		all := make([]ecs.Status, 0, len(services))
		for _, s := range services {
			st, err := c.Status(e, s)
			if err != nil {
				return err
			}
			all = append(all, st)
		}
		if err := e.redraw(watch, all, func(w out) { writeECSStatus(w, c, all, time.Now()) }); err != nil || !watch {
			return err
		}
		if pause(e, 3*time.Second) != nil {
			return nil
		}
	}
}

func writeECSStatus(w out, c *ecs.Cluster, all []ecs.Status, now time.Time) {
	fmt.Fprintf(w, "cluster %s in %s\n", c.Name, c.Region)
	for _, st := range all {
		if st.Release == 0 {
			fmt.Fprintf(w, "%s: down\n", st.Service)
			continue
		}
		fmt.Fprintf(w, "%s: release %d, %d of %s running", st.Service, st.Release, st.Running, plural(st.Desired, "task"))
		if st.Starting > 0 {
			fmt.Fprintf(w, ", %d starting", st.Starting)
		}
		fmt.Fprintln(w)
		if st.Deployment != "" {
			fmt.Fprintf(w, "  deployment: %s\n", st.Deployment)
		}
		if st.Waits {
			fmt.Fprintf(w, "  it waits for `segue promote %s`\n", st.Service)
		}
		if st.Last != nil {
			fmt.Fprintf(w, "  %s ago: %s\n", ago(now.Sub(st.Last.At).Round(time.Second)), printable(st.Last.Text))
		}
		if len(st.Tasks) > 0 {
			writeTable(w, func(t out) { writeECSTasks(t, st.Tasks, now) })
		}
	}
}

func writeECSTasks(t out, tasks []ecs.Task, now time.Time) {
	fmt.Fprintln(t, "TASK\tRELEASE\tSTATE\tHEALTH\tZONE\tAGE")
	for _, task := range tasks {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\n", task.ID, task.Release, task.State, task.Health, task.Zone, ago(now.Sub(task.Since).Round(time.Second)))
	}
}

func writeECSReleases(t out, all []ecs.Release) {
	fmt.Fprintln(t, "SERVICE\tRELEASE\tMADE\tWHO\tSERVING\tIMAGE\tWHY")
	for _, r := range all {
		serving := ""
		if r.Serving {
			serving = "yes"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", r.Service, r.Number, r.Made.Local().Format("2006-01-02 15:04:05"), r.Who, serving, r.Image, printable(r.Why))
	}
}

func writeECSPlan(w out, c *ecs.Cluster, p ecs.Plan) {
	fmt.Fprintf(w, "cluster %s in %s\n", c.Name, c.Region)
	switch {
	case p.Nothing:
		fmt.Fprintf(w, "%s: nothing to do, all is as asked\n", p.Service)
		return
	case p.From == 0:
		fmt.Fprintf(w, "%s: made anew, with %s\n", p.Service, plural(p.After, "task"))
	default:
		fmt.Fprintf(w, "%s: from release %d to a new one\n", p.Service, p.From)
	}
	if p.From > 0 && p.Before != p.After {
		fmt.Fprintf(w, "  tasks: %d → %d\n", p.Before, p.After)
	}
	for _, ch := range p.Changes {
		if ch.From == "" {
			fmt.Fprintf(w, "  + %s: %s\n", ch.Path, printable(ch.To))
			continue
		}
		fmt.Fprintf(w, "  ~ %s: %s → %s\n", ch.Path, printable(ch.From), printable(ch.To))
	}
	for _, n := range p.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
}
