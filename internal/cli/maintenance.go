package cli

import (
	"fmt"
	"os"
	"time"

	"github.com/seguehq/segue/internal/control"
)

type maintenanceCmd struct {
	On     maintenanceOnCmd     `cmd:"" help:"Keep requests, or those that write, from a service."`
	Off    maintenanceOffCmd    `cmd:"" help:"Let all requests through again."`
	Status maintenanceStatusCmd `cmd:"" help:"Show what maintenance a service is in."`
}

type maintenanceOnCmd struct {
	Service    string        `arg:"" optional:"" help:"The service, if there are several."`
	Writes     bool          `help:"Only those that may change something: all methods but GET, HEAD, OPTIONS, TRACE and the like, and WebSockets."`
	Why        string        `help:"Why: clients are told, and the history." placeholder:"TEXT"`
	For        time.Duration `help:"It ends by itself after so long. Default: it does not." placeholder:"TIME"`
	RetryAfter time.Duration `help:"When clients are told to ask again. Default: maintenance.retry_after." placeholder:"TIME"`
	Hold       time.Duration `help:"Park requests so long before they are refused." placeholder:"TIME"`
	Page       string        `type:"existingfile" help:"HTML that people see. Default: maintenance.page, or a page of Segue's that asks again by itself." placeholder:"FILE"`
}

func (c *maintenanceOnCmd) Help() string {
	return `Examples:
  segue maintenance on --writes --why "moving the database" && ./move && segue maintenance off
  segue maintenance on --writes --hold 20s --for 5m
  segue maintenance on api --page sorry.html --retry-after 10m

Those refused get 503 with Retry-After: JSON for programs, a page for people. With --writes, the
reads are served by instances with the environment of maintenance.env, where there is one. It
returns when no request of those kept out is in flight any more and these instances serve; what
is in flight gets drain.timeout, and is then asked to end as in a drain. Said again, it is
changed. Deploys, pauses and upgrades work meanwhile, and any process may be killed.`
}

func (c *maintenanceOnCmd) Run(e *env) error {
	name, err := e.one(c.Service)
	if err != nil {
		return err
	}
	q := control.MaintenanceRequest{Service: name, Writes: c.Writes, For: c.For, RetryAfter: c.RetryAfter, Hold: c.Hold, Who: who(), Why: c.Why}
	if c.Page != "" {
		page, err := os.ReadFile(c.Page)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return &exitError{exitUsage, c.Page + " is empty; write a whole HTML page into it"}
		}
		q.Page = string(page)
	}
	m, err := e.maintain(name, q)
	if err != nil {
		return err
	}
	if err := e.print(m, func(w out) {
		if !m.Off {
			fmt.Fprintf(w, "%s: %s\n", name, maintenanceWords(m, time.Now()))
		}
	}); err != nil {
		return err
	}
	switch {
	case m.Off || m.Opening:
		return &exitError{exitFailed, "maintenance was ended, or its time was over, before all was done that it asks for"}
	case m.Failed != "":
		return &exitError{exitFailed, "the instances with maintenance.env did not take over: " + printable(m.Failed) +
			"\nwrites are refused all the same, and reads served by the instances that there were. Mend it, and say `segue maintenance on --writes` again; or `segue maintenance off`"}
	case m.InFlight > 0:
		return &exitError{exitFailed, fmt.Sprintf("%s from before have not ended within the drain's time, and may still change something; all others are refused", plural(m.InFlight, "request"))}
	}
	return nil
}

// maintain asks the agent and waits until all is done that follows, whatever
// agent does it in the end.
func (e *env) maintain(service string, q control.MaintenanceRequest) (control.Maintenance, error) {
	agent := e.agent()
	m, err := agent.Maintain(e, q)
	if err != nil || m.Off {
		return m, err
	}
	var gone time.Time
	told := ""
	for {
		next, err := agent.AwaitMaintenance(e, control.Request{Service: service})
		switch {
		case err == nil:
			m, gone = next, time.Time{}
		case e.Err() != nil || !isAway(err):
			return m, err
		case gone.IsZero():
			gone = time.Now()
		case time.Since(gone) > patience:
			return m, &exitError{exitFailed, fmt.Sprintf("the agent has not come back in %s; start it, and what was asked for goes on (`segue maintenance status`)", patience)}
		}
		if err == nil && (m.Doing == "" || m.Off) {
			return m, nil
		}
		if err == nil && m.Doing != told {
			told = m.Doing
			e.say("%s: %s", service, told)
		}
		if err := pause(e, 50*time.Millisecond); err != nil {
			return m, err
		}
	}
}

type maintenanceOffCmd struct {
	Service string `arg:"" optional:"" help:"The service, if there are several."`
}

func (c *maintenanceOffCmd) Help() string {
	return `Where reads are served by instances with the environment of maintenance.env, they are replaced
first, and only then writes are let through. It returns when that is done.`
}

func (c *maintenanceOffCmd) Run(e *env) error {
	name, err := e.one(c.Service)
	if err != nil {
		return err
	}
	m, err := e.maintain(name, control.MaintenanceRequest{Service: name, Off: true, Who: who()})
	if err != nil {
		return err
	}
	if err := e.print(m, func(w out) {
		switch {
		case m.Nothing:
			fmt.Fprintf(w, "%s is not under maintenance\n", name)
		case m.Off:
			fmt.Fprintf(w, "%s: all requests are served\n", name)
		default:
			fmt.Fprintf(w, "%s: %s\n", name, maintenanceWords(m, time.Now()))
		}
	}); err != nil {
		return err
	}
	switch {
	case m.Failed != "":
		return &exitError{exitFailed, "the instances for writes did not take over: " + printable(m.Failed) +
			"\nwrites stay refused. Mend it, and say `segue maintenance off` again, or deploy a release that starts"}
	case !m.Off:
		return &exitError{exitFailed, "maintenance was begun anew meanwhile"}
	}
	return nil
}

type maintenanceStatusCmd struct {
	Service string `arg:"" optional:"" help:"Only this service."`
}

func (c *maintenanceStatusCmd) Run(e *env) error {
	st, err := e.agent().Status(e)
	if err != nil {
		return err
	}
	all := map[string]control.Maintenance{}
	for _, s := range st.Services {
		if c.Service != "" && c.Service != s.Name {
			continue
		}
		all[s.Name] = control.Maintenance{Off: true}
		if s.Maintenance != nil {
			all[s.Name] = *s.Maintenance
		}
	}
	if c.Service != "" && len(all) == 0 {
		return control.Errorf(control.CodeNone, "there is no service %q here; `segue status` lists them", c.Service)
	}
	return e.print(all, func(w out) {
		for _, s := range st.Services {
			m, ok := all[s.Name]
			if !ok {
				continue
			}
			words := "not under maintenance"
			if !m.Off {
				words = maintenanceWords(m, time.Now())
			}
			fmt.Fprintf(w, "%s: %s\n", s.Name, words)
		}
	})
}

// maintenanceWords tells of maintenance in a line.
func maintenanceWords(m control.Maintenance, now time.Time) string {
	text := "all requests are refused"
	if m.Writes {
		text = "writes are refused"
	}
	if m.Hold > 0 {
		text += fmt.Sprintf(" after %s", m.Hold)
	}
	text += fmt.Sprintf(", since %s by %s", m.Began.Local().Format("15:04:05"), m.Who)
	if !m.Until.IsZero() && !m.Opening {
		text += fmt.Sprintf(", for %s more", ago(m.Until.Sub(now)))
	}
	if m.Why != "" {
		text += ": " + printable(firstLine(m.Why))
	}
	switch {
	case m.Doing != "":
		text += "; " + m.Doing
	case m.InFlight > 0:
		text += fmt.Sprintf("; %s from before still in flight", plural(m.InFlight, "request"))
	}
	if m.Failed != "" {
		who := "the instances for reads"
		if m.Opening || !m.Writes {
			who = "the instances for writes"
		}
		text += fmt.Sprintf("; %s did not take over: %s", who, printable(summary(m.Failed)))
	}
	return text
}
