package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/seguehq/segue/featureflag"
)

type flagCmd struct {
	Ls      flagLsCmd      `cmd:"" aliases:"list" help:"List the flags: what is in force, and where ramps stand."`
	Show    flagShowCmd    `cmd:"" help:"Show all of a flag."`
	Set     flagSetCmd     `cmd:"" help:"Make a flag, or change its definition."`
	Ramp    flagRampCmd    `cmd:"" help:"Give a variant to a growing share of those who ask."`
	Stop    flagStopCmd    `cmd:"" help:"Stop a ramp where it is, or take it back."`
	Kill    flagKillCmd    `cmd:"" help:"Turn a flag off for everybody, everywhere, within a second."`
	Restore flagRestoreCmd `cmd:"" help:"End a kill."`
	History flagHistoryCmd `cmd:"" help:"List a flag's changes: when, what, by whom, and why."`
	Apply   flagApplyCmd   `cmd:"" help:"Bring the flags of a file (flagd's JSON) into the store."`
	Eval    flagEvalCmd    `cmd:"" help:"Show what a flag is for somebody, and why."`
	Rm      flagRmCmd      `cmd:"" aliases:"remove" help:"Forget a flag: whoever asks for it gets his own default."`
}

func (c *flagCmd) Help() string {
	return `Examples:
  segue flag set new-checkout off                     # make it, for nobody
  segue flag ramp new-checkout --to 100% --over 4h    # the agent moves it, and stops it if errors rise
  segue flag ls
  segue flag eval new-checkout --for user-7 --attr plan=gold
  segue flag kill new-checkout --why "payments fail"
  segue flag restore new-checkout
  segue flag history new-checkout
  STORE=redis://… segue flag kill new-checkout --store-from STORE

The flags are in the services' store: the one that segue.yaml says, or the file that the agent keeps
for them. That is where services watch them (docs/flags.md). It takes neither agent nor instances to
change them; only a ramp over a time is moved by the agent that runs the service.`
}

type flagLsCmd struct{ storeFlags }

func (c *flagLsCmd) Run(e *env) error {
	all, done, err := c.open(e)
	if err != nil {
		return err
	}
	defer done()
	list := flagList{Flags: []flagOf{}}
	for _, s := range all {
		flags, shed, err := featureflag.NewControl(s.Store, who()).List(e)
		if err != nil {
			return fmt.Errorf("the store of %s: %w", s.name(), err)
		}
		for _, f := range flags {
			list.Flags = append(list.Flags, flagOf{Services: s.services, Flag: f, shed: shed})
		}
		if shed != nil {
			list.Shed = append(list.Shed, shedOf{s.services, *shed})
		}
	}
	return e.print(list, func(w out) { writeFlags(w, list) })
}

type flagShowCmd struct {
	Key string `arg:"" help:"The flag."`
	storeFlags
}

func (c *flagShowCmd) Run(e *env) error {
	return onFlag(e, &c.storeFlags, c.Key, func(f flagIn) error { return f.tell(e, writeFlag) })
}

type flagKillCmd struct {
	Key string `arg:"" help:"The flag."`
	storeFlags
	Why string `help:"Why, for the history." placeholder:"TEXT"`
}

func (c *flagKillCmd) Run(e *env) error {
	return onFlag(e, &c.storeFlags, c.Key, func(f flagIn) error {
		before := f.flag
		if err := f.control.Kill(e, c.Key, c.Why); err != nil {
			return err
		}
		return f.tell(e, func(w out, f flagOf) {
			if before.Killed != nil {
				fmt.Fprintf(w, "%s: was killed already by %s\n", f.Key, stamped(*before.Killed))
				return
			}
			fmt.Fprintf(w, "%s: killed; %s until `segue flag restore %s`\n", f.Key, f.offWords(), f.Key)
		})
	})
}

type flagRestoreCmd struct {
	Key string `arg:"" help:"The flag."`
	storeFlags
	Why string `help:"Why, for the history." placeholder:"TEXT"`
}

func (c *flagRestoreCmd) Run(e *env) error {
	return onFlag(e, &c.storeFlags, c.Key, func(f flagIn) error {
		before := f.flag
		if err := f.control.Restore(e, c.Key, c.Why); err != nil {
			return err
		}
		return f.tell(e, func(w out, f flagOf) {
			what := "restored"
			if before.Killed == nil {
				what = "was not killed"
			}
			fmt.Fprintf(w, "%s: %s; it is %s\n", f.Key, what, f.state())
			if r := f.Ramp; r != nil && r.State == featureflag.RampStopped && r.Percent < r.To {
				fmt.Fprintf(w, "  go on with its ramp: segue flag ramp %s --to %s --over %s\n", f.Key, percentArg(r.To), shortly(r.Over))
			}
		})
	})
}

type flagStopCmd struct {
	Key string `arg:"" help:"The flag."`
	storeFlags
	Back bool   `help:"Take it back to where it began; without it, whoever has the variant keeps it."`
	Why  string `help:"Why, for the history." placeholder:"TEXT"`
}

func (c *flagStopCmd) Run(e *env) error {
	return onFlag(e, &c.storeFlags, c.Key, func(f flagIn) error {
		if f.flag.Ramp == nil {
			return &exitError{exitFailed, fmt.Sprintf("%s has no ramp; it is %s", c.Key, f.flag.state())}
		}
		if err := f.control.StopRamp(e, c.Key, c.Back, c.Why); err != nil {
			return err
		}
		return f.tell(e, func(w out, f flagOf) { fmt.Fprintf(w, "%s: %s\n", f.Key, f.state()) })
	})
}

type flagRmCmd struct {
	Key string `arg:"" help:"The flag."`
	storeFlags
	Why string `help:"Why, for the history." placeholder:"TEXT"`
}

func (c *flagRmCmd) Run(e *env) error {
	return onFlag(e, &c.storeFlags, c.Key, func(f flagIn) error {
		if err := f.control.Remove(e, c.Key, c.Why); err != nil {
			return err
		}
		return e.print(f.flag, func(w out) {
			fmt.Fprintf(w, "%s: removed; whoever asks for it gets his own default\n", c.Key)
			if f.flag.File != "" {
				fmt.Fprintln(w, "  it came from a flags file: take it out there, too, or the next deploy brings it back")
			}
		})
	})
}

type flagHistoryCmd struct {
	Key string `arg:"" help:"The flag; it may be one that was removed."`
	storeFlags
	Number int `short:"n" default:"20" help:"How many changes, newest first; 0 is all that are kept."`
}

func (c *flagHistoryCmd) Run(e *env) error {
	return onAny(e, &c.storeFlags, c.Key, func(f flagIn) error {
		history, err := f.control.History(e, c.Key)
		if err != nil {
			return err
		}
		changes := newest(history, c.Number)
		return e.print(changes, func(w out) { writeChanges(w, changes) })
	})
}

type flagApplyCmd struct {
	From string `arg:"" name:"file" help:"The file; - is what comes in." type:"existingfile"`
	storeFlags
	Why string `help:"Why, for the history." placeholder:"TEXT"`
}

func (c *flagApplyCmd) Run(e *env) error {
	data, err := e.read(c.From)
	if err != nil {
		return err
	}
	d, err := featureflag.Parse(data)
	if err != nil {
		return &exitError{exitUsage, fmt.Sprintf("%s: %v", c.From, err)}
	}
	return onPlace(e, &c.storeFlags, func(s storeIn) error {
		why := c.Why
		if why == "" {
			why = filepath.Base(c.From)
		}
		changed, err := featureflag.NewControl(s.Store, who()).Apply(e, d, why)
		if errors.Is(err, featureflag.ErrInvalid) {
			return &exitError{exitUsage, fmt.Sprintf("%s: %s", c.From, refusal(err))}
		}
		if err != nil {
			return err
		}
		return e.print(map[string][]string{"changed": append([]string{}, changed...)}, func(w out) {
			if len(changed) == 0 {
				fmt.Fprintf(w, "%s: nothing new\n", plural(len(d.Flags), "flag"))
				return
			}
			fmt.Fprintf(w, "%s of %d changed: %s\n", plural(len(changed), "flag"), len(d.Flags), strings.Join(changed, ", "))
		})
	})
}

type flagEvalCmd struct {
	Key string `arg:"" help:"The flag."`
	storeFlags
	For  string   `help:"The targeting key: for whom, such as a user's ID. Default: nobody in particular." placeholder:"KEY"`
	Attr []string `help:"What targeting may look at: NAME=VALUE, where VALUE is JSON or a plain word. May be repeated." placeholder:"NAME=VALUE" sep:"none"`
}

func (c *flagEvalCmd) Run(e *env) error {
	about, err := attributes(c.Attr)
	if err != nil {
		return err
	}
	return onFlag(e, &c.storeFlags, c.Key, func(f flagIn) error {
		set := featureflag.Compile(featureflag.InForce([]featureflag.Flag{f.flag.Flag}, f.flag.shed))
		ev := evaluated{c.Key, set.Evaluate(c.Key, featureflag.Context{Key: c.For, Attributes: about})}
		if f.flag.Broken != "" {
			ev.Err, ev.Detail = featureflag.ParseError, f.flag.Broken
		}
		if err := e.print(ev, func(w out) { ev.write(w, c.For, f.flag) }); err != nil || ev.Err == "" {
			return err
		}
		return &exitError{exitFailed, ""}
	})
}

// followRamp shows how a ramp gets on until it has ended.
func followRamp(e *env, f flagIn) error {
	flags := featureflag.New(f.in, quietly)
	ctx, stop := context.WithCancel(e)
	over := make(chan error, 1)
	go func() { over <- flags.Run(ctx) }()
	defer func() { stop(); <-over }()
	if err := flags.Ready(e); err != nil {
		return err
	}
	view := rampView{w: e.out, began: time.Now()}
	if t, ok := tty(e.out); ok {
		view.live = &liveLine{w: t}
	}
	if e.flags.JSON {
		view.w = nil
	}
	defer view.live.clear()
	for {
		changed := flags.Changed()
		now, there := pick(flags, f.flag)
		if !there {
			return &exitError{exitFailed, fmt.Sprintf("%s: it was removed", f.flag.Key)}
		}
		if ended, err := view.show(now); ended {
			return err
		}
		select {
		case <-changed:
		case <-view.beat():
		case <-e.Done():
			return e.Err()
		}
	}
}
