package session

import "encoding/json"

// changes are what one request does to a session. They are kept apart from the
// session as it was read, so that they can be done again to what another request
// has made of it meanwhile: to the names that they name, and no others.
type changes struct {
	cleared bool            // first of all, all values went
	removed map[string]bool // then these, in all their versions
	written map[string]change
}

// A change is what becomes of one name.
type change struct {
	raw json.RawMessage
	// update makes the new value of the present one, which is nil if there is
	// none. If it is there, raw is not used.
	update func(present json.RawMessage) (json.RawMessage, error)
}

func (c *changes) none() bool { return !c.cleared && len(c.removed) == 0 && len(c.written) == 0 }

func (c *changes) write(name string, ch change) {
	if c.written == nil {
		c.written = map[string]change{}
	}
	c.written[name] = ch
}

// updates reports whether it matters how often the changes are done.
func (c *changes) updates() bool {
	for _, ch := range c.written {
		if ch.update != nil {
			return true
		}
	}
	return false
}

// untouched reports whether a name is as it was read.
func (c *changes) untouched(name string) bool {
	_, written := c.written[name]
	return !written && !c.cleared && !c.removed[baseOf(name)]
}

// known reports whether the present value of a name no longer depends on what
// others do.
func (c *changes) known(name string) bool {
	if ch, ok := c.written[name]; ok {
		return ch.update == nil
	}
	return c.cleared || c.removed[baseOf(name)]
}

func (c *changes) remove(base string) {
	if c.removed == nil {
		c.removed = map[string]bool{}
	}
	c.removed[base] = true
	for name := range c.written {
		if baseOf(name) == base {
			delete(c.written, name)
		}
	}
}

func (c *changes) clear() {
	c.cleared = true
	c.removed = nil
	for name := range c.written {
		if baseOf(name) != "" {
			delete(c.written, name)
		}
	}
}

// apply does the changes to r. What may refuses is neither replaced nor removed.
func (c *changes) apply(r record, may func(name string) bool) error {
	for name := range r {
		if base := baseOf(name); base != "" && (c.cleared || c.removed[base]) && may(name) {
			delete(r, name)
		}
	}
	for name, ch := range c.written {
		switch {
		case ch.update != nil:
			raw, err := ch.update(r[name])
			if err != nil {
				return err
			}
			r[name] = raw
		case may(name):
			r[name] = ch.raw
		}
	}
	return nil
}

func anything(string) bool { return true }
