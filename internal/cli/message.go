package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/store"
)

type messageCmd struct {
	Parked parkedCmd `cmd:"" help:"Messages that no handler could take: list, look, try again, drop."`
}

type parkedCmd struct {
	Ls    parkedLsCmd    `cmd:"" default:"withargs" aliases:"list" help:"List the parked messages (this word may be left out)."`
	Show  parkedShowCmd  `cmd:"" help:"Show one: why it is parked, and what is in it."`
	Retry parkedRetryCmd `cmd:"" help:"Have an instance handle messages again."`
	Drop  parkedDropCmd  `cmd:"" help:"Forget messages. There is no way back."`
}

func (c *parkedCmd) Help() string {
	return `Examples:
  segue message parked
  segue message parked show dvpf
  segue message parked retry dvpf        # after a release that can handle it
  segue message parked retry --all --topic orders
  segue message parked drop dvpf

A message that a handler has refused as often as it may is parked in the service's store, with the
reason, and holds nobody else up. An instance of its group takes it again at once, or when one is
started. The name of a parked message may be shortened, as long as only one begins so.`
}

// A parkedOf is a parked message, and where it is parked.
type parkedOf struct {
	Services []string
	message.ParkedMessage
	in store.Store
}

// parked lists what is parked in all the stores that are meant, the newest first. The
// stores are open until done.
func parked(e *env, f *storeFlags) (list []parkedOf, done func(), err error) {
	all, done, err := f.open(e)
	if err != nil {
		return nil, nil, err
	}
	list = []parkedOf{}
	for _, s := range all {
		in, err := message.NewParked(s.Store).List(e)
		if err != nil {
			done()
			return nil, nil, fmt.Errorf("the store of %s: %w", s.name(), err)
		}
		for _, m := range in {
			list = append(list, parkedOf{s.services, m, s.Store})
		}
	}
	slices.SortFunc(list, func(a, b parkedOf) int { return b.Since.Compare(a.Since) })
	return list, done, nil
}

type parkedLsCmd struct {
	storeFlags
	Topic string `help:"Only of this topic." placeholder:"NAME"`
}

func (c *parkedLsCmd) Run(e *env) error {
	list, done, err := parked(e, &c.storeFlags)
	if err != nil {
		return err
	}
	defer done()
	list = ofTopic(list, c.Topic)
	return e.print(list, func(w out) { writeParked(w, list) })
}

func writeParked(w out, list []parkedOf) {
	if len(list) == 0 {
		fmt.Fprintln(w, "no message is parked")
		return
	}
	writeTable(w, func(t out) {
		fmt.Fprintln(t, "PARKED\tTOPIC\tGROUP\tSINCE\tATTEMPTS\tINSTANCE\tREASON")
		for _, p := range list {
			reason := printable(summary(p.Reason))
			if p.Retrying {
				reason = "being tried again; " + reason
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", p.Parked, p.Message.Topic, orAll(p.Group), clock(p.Since), p.Attempts, p.Instance, reason)
		}
	})
}

// onParked does something with the parked messages that are picked.
func onParked(e *env, f *storeFlags, pick func([]parkedOf) ([]parkedOf, error), do func(context.Context, *message.Parked, parkedOf) error) error {
	list, done, err := parked(e, f)
	if err != nil {
		return err
	}
	defer done()
	found, err := pick(list)
	if err != nil {
		return err
	}
	for _, p := range found {
		if err := do(e, message.NewParked(p.in), p); err != nil && !errors.Is(err, message.ErrNotParked) {
			return fmt.Errorf("%s: %w", p.Parked, err)
		}
	}
	return nil
}

// byName picks those whose names begin so.
func byName(names ...string) func([]parkedOf) ([]parkedOf, error) {
	return func(list []parkedOf) (found []parkedOf, err error) {
		for _, name := range names {
			p, err := parkedNamed(list, name)
			if err != nil {
				return nil, err
			}
			found = append(found, p)
		}
		return found, nil
	}
}

func parkedNamed(list []parkedOf, name string) (parkedOf, error) {
	var found []parkedOf
	for _, p := range list {
		if p.Parked == name {
			return p, nil
		}
		if len(name) > 0 && len(p.Parked) > len(name) && p.Parked[:len(name)] == name {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return parkedOf{}, &exitError{exitUsage, fmt.Sprintf("no message %q is parked; `segue message parked` lists those that are", name)}
	}
	return parkedOf{}, &exitError{exitUsage, fmt.Sprintf("%d parked messages begin with %q, such as %s and %s; write more of it", len(found), name, found[0].Parked, found[1].Parked)}
}

type parkedShowCmd struct {
	Name string `arg:"" help:"The parked message, or how its name begins."`
	storeFlags
}

func (c *parkedShowCmd) Run(e *env) error {
	return onParked(e, &c.storeFlags, byName(c.Name), func(_ context.Context, _ *message.Parked, p parkedOf) error {
		return e.print(p, func(w out) { writeParkedMessage(w, p) })
	})
}

func writeParkedMessage(w out, p parkedOf) {
	writeTable(w, func(t out) {
		fmt.Fprintf(t, "parked\t%s, since %s by %s\n", p.Parked, p.Since.Local().Format(time.DateTime), p.Instance)
		fmt.Fprintf(t, "topic\t%s\n", p.Message.Topic)
		fmt.Fprintf(t, "group\t%s\n", orAll(p.Group))
		fmt.Fprintf(t, "attempts\t%d\n", p.Attempts)
		fmt.Fprintf(t, "message\t%s, published %s\n", p.Message.ID, p.Message.Time.Local().Format(time.DateTime))
		if p.Message.Key != "" {
			fmt.Fprintf(t, "key\t%s\n", printable(p.Message.Key))
		}
		for _, name := range slices.Sorted(maps.Keys(p.Message.Header)) {
			fmt.Fprintf(t, "header\t%s: %s\n", printable(name), printable(p.Message.Header[name]))
		}
	})
	fmt.Fprintf(w, "\n%s\n\n", printable(p.Reason))
	if body := p.Message.Body; utf8.Valid(body) {
		fmt.Fprintf(w, "%s\n", printable(string(body)))
	} else {
		fmt.Fprintf(w, "%s that are no text; --json has them in base64\n", plural(len(body), "byte"))
	}
}

// someParked say which parked messages are meant.
type someParked struct {
	Names []string `arg:"" optional:"" help:"The parked messages, or how their names begin."`
	storeFlags
	All   bool   `help:"All that are parked."`
	Topic string `help:"With --all: only of this topic." placeholder:"NAME"`
}

var errLeft = errors.New("this one is left as it is")

// each does something with each of them, and says so.
func (c *someParked) each(e *env, did string, do func(context.Context, *message.Parked, parkedOf) error) error {
	if c.All == (len(c.Names) > 0) || c.Topic != "" && !c.All {
		return &exitError{exitUsage, "which messages? Name them, or say --all, with --topic NAME for those of a topic"}
	}
	pick := byName(c.Names...)
	if c.All {
		pick = func(list []parkedOf) ([]parkedOf, error) { return ofTopic(list, c.Topic), nil }
	}
	n := 0
	err := onParked(e, &c.storeFlags, pick, func(ctx context.Context, parked *message.Parked, p parkedOf) error {
		err := do(ctx, parked, p)
		if errors.Is(err, errLeft) {
			return nil
		}
		if err == nil {
			n++
		}
		return err
	})
	if perr := e.print(map[string]int{"messages": n}, func(w out) { fmt.Fprintf(w, "%s %s\n", plural(n, "message"), did) }); err == nil {
		err = perr
	}
	return err
}

// ofTopic is the messages of a topic; empty: of all.
func ofTopic(list []parkedOf, topic string) []parkedOf {
	return slices.DeleteFunc(list, func(p parkedOf) bool { return topic != "" && p.Message.Topic != topic })
}

type parkedRetryCmd struct{ someParked }

func (c *parkedRetryCmd) Run(e *env) error {
	return c.each(e, "will be tried again, by an instance that is there or the next that is started",
		func(ctx context.Context, parked *message.Parked, p parkedOf) error {
			if c.All && p.Group == "" { // it was to all instances, and can only be published again
				return errLeft
			}
			return parked.Retry(ctx, p.Parked)
		})
}

type parkedDropCmd struct{ someParked }

func (c *parkedDropCmd) Run(e *env) error {
	return c.each(e, "dropped", func(ctx context.Context, parked *message.Parked, p parkedOf) error { return parked.Drop(ctx, p.Parked) })
}
