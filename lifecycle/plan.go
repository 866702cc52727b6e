package lifecycle

import (
	"fmt"
	"slices"
	"strings"
)

// A plan is components with what each of them waits for, by index.
type plan struct {
	parts  []Component
	before [][]int // which must have started before
	after  [][]int // the reverse: which must have stopped before it stops
}

func planOf(parts []Component) (*plan, error) {
	index := make(map[string]int, len(parts))
	for i, c := range parts {
		if c.Name == "" {
			return nil, fmt.Errorf("lifecycle: component %d has no name", i+1)
		}
		if _, twice := index[c.Name]; twice {
			return nil, fmt.Errorf("lifecycle: two components are named %q; give one another name (of a server: WithName)", c.Name)
		}
		index[c.Name] = i
	}
	p := &plan{parts: parts, before: make([][]int, len(parts)), after: make([][]int, len(parts))}
	for i, c := range parts {
		for _, name := range c.After {
			j, ok := index[name]
			if !ok {
				return nil, fmt.Errorf("lifecycle: %s comes after %q, and there is no such component", c.Name, name)
			}
			p.before[i] = append(p.before[i], j)
		}
	}
	if err := p.findCycle(); err != nil {
		return nil, err
	}
	p.serversLast()
	for i, before := range p.before {
		for _, j := range before {
			p.after[j] = append(p.after[j], i)
		}
	}
	return p, nil
}

// serversLast lets those that listen wait for all that do not, except for what
// waits for them: what is accepted must find everything there.
func (p *plan) serversLast() {
	for i, c := range p.parts {
		if c.server == nil {
			continue
		}
		for j, other := range p.parts {
			if other.server == nil && !p.needs(j, p.isServer) && !slices.Contains(p.before[i], j) {
				p.before[i] = append(p.before[i], j)
			}
		}
	}
}

func (p *plan) isServer(i int) bool { return p.parts[i].server != nil }

// needs tells whether a component waits, directly or not, for one that is so.
func (p *plan) needs(i int, is func(int) bool) bool {
	for _, j := range p.before[i] {
		if is(j) || p.needs(j, is) {
			return true
		}
	}
	return false
}

// findCycle returns an error that tells the way around.
func (p *plan) findCycle() error {
	const (
		unseen = iota
		under
		done
	)
	state := make([]int, len(p.parts))
	var way []string
	var visit func(int) error
	visit = func(i int) error {
		name := p.parts[i].Name
		way = append(way, name)
		switch state[i] {
		case under:
			return fmt.Errorf("lifecycle: components wait for one another: %s", strings.Join(way[slices.Index(way, name):], " after "))
		case unseen:
			state[i] = under
			for _, j := range p.before[i] {
				if err := visit(j); err != nil {
					return err
				}
			}
			state[i] = done
		}
		way = way[:len(way)-1]
		return nil
	}
	for i := range p.parts {
		if err := visit(i); err != nil {
			return err
		}
	}
	return nil
}
