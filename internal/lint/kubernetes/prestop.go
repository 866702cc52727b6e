package kubernetes

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// A PreStop is what a container does before it gets its signal.
type PreStop struct {
	None  bool // there is no hook
	Known bool // the times below are; a script or a request may take any time

	Wait  time.Duration // before anything is told to the program
	Total time.Duration // until the hook is over
	Quits string        // what tells the program to stop, "" if nothing does

	path []any // where its time is said, below the container
}

var (
	sleeping = lint.Pattern(`\bsleep\s+(\d+(?:\.\d+)?)([smhd]?)\b`)
	quitting = lint.Pattern(`\bnginx\b[^;&|]*\s-s\s+(?:quit|stop)|\bnginx\s+-s(?:quit|stop)|\b(?:kill|pkill|killall)\s[^;&|]*|\b(?:apachectl|apache2ctl|httpd)\b[^;&|]*\s(?:-k\s+)?(?:graceful-stop|stop)`)
	harmless = lint.Pattern(`\s-(?:0|1|l|s\s+0|(?:s\s+)?(?:SIG)?(?:HUP|USR1|USR2|CONT))\b`)
	looping  = lint.Pattern(`\b(?:while|until|for|timeout|wait)\b|\$\(|\x60|\$\{?[A-Za-z]`)
)

// PreStop reads the container's hook.
func (c Container) PreStop() PreStop {
	if c.Lifecycle == nil || c.Lifecycle.PreStop == nil {
		return PreStop{None: true, path: []any{"lifecycle"}}
	}
	hook := c.Lifecycle.PreStop
	switch {
	case hook.Sleep != nil:
		d := seconds(hook.Sleep.Seconds)
		return PreStop{Known: true, Wait: d, Total: d, path: []any{"lifecycle", "preStop", "sleep"}}
	case hook.Exec != nil:
		p := readScript(script(hook.Exec.Command))
		p.path = []any{"lifecycle", "preStop", "exec", "command"}
		return p
	}
	return PreStop{path: []any{"lifecycle", "preStop"}}
}

// script is a command as a shell would write it, and what a shell is given as it
// stands.
func script(command []string) string {
	if len(command) >= 3 && shells[path.Base(command[0])] {
		if i := slices.IndexFunc(command, isDashC); i > 0 && i+1 < len(command) {
			return command[i+1]
		}
	}
	return strings.Join(command, " ")
}

// Lingers is how long the program itself serves on after its signal, before it
// closes its listener: as its arguments or the pod's segue.dev/serves-on say.
func (c Container) Lingers() time.Duration {
	if d, ok := c.Workload.Note("serves-on"); ok {
		return d
	}
	words := slices.Concat(c.Command, c.Args)
	for _, e := range c.Env {
		words = append(words, e.Name+"="+e.Value)
	}
	for i, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !lingering().MatchString(name) {
			continue
		}
		if !ok && i+1 < len(words) {
			value = words[i+1]
		}
		if d, ok := lint.Seconds(value, time.Second); ok {
			return d
		}
	}
	return 0
}

var lingering = lint.Pattern(`(?i)(shutdown|termination|terminate)[-_.]?delay|request-?accept-?grace-?timeout|lame-?duck`)

var shells = map[string]bool{"sh": true, "bash": true, "ash": true, "dash": true, "zsh": true, "busybox": true}

var dashC = lint.Pattern(`^-[a-z]*c$`)

func isDashC(arg string) bool { return dashC().MatchString(arg) }

func readScript(text string) PreStop {
	p := PreStop{}
	quit := quits(text)
	if quit != nil {
		p.Quits = strings.TrimSpace(text[quit[0]:quit[1]])
	}
	sleeps := sleeping().FindAllStringSubmatchIndex(text, -1)
	for _, at := range sleeps {
		d := sleepTime(text[at[2]:at[3]], text[at[4]:at[5]])
		p.Total += d
		if quit == nil || at[0] < quit[0] {
			p.Wait += d
		}
	}
	p.Known = (len(sleeps) > 0 || quit != nil) && !looping().MatchString(text)
	return p
}

// quits is where a script tells the program to stop. A kill may also only ask
// whether it is there, or tell it something else.
func quits(text string) []int {
	for _, at := range quitting().FindAllStringIndex(text, -1) {
		if !harmless().MatchString(text[at[0]:at[1]]) {
			return at
		}
	}
	return nil
}

func sleepTime(number, unit string) time.Duration {
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n > 1e6 {
		return 0
	}
	per := map[string]time.Duration{"": time.Second, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit]
	return time.Duration(n * float64(per))
}
