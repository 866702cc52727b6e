package h2

import "encoding/binary"

// takeSettings is RFC 9113 §6.5.
func (c *conn) takeSettings(f frame, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.id != 0 {
		return connError{codeProtocol, "SETTINGS on a stream"}
	}
	if err := c.noise(); err != nil {
		return err
	}
	if f.has(flagAck) {
		if len(p) != 0 {
			return connError{codeFrameSize, "SETTINGS acknowledgement with a payload"}
		}
		return nil
	}
	if len(p)%6 != 0 {
		return connError{codeFrameSize, "SETTINGS of a wrong size"}
	}
	for ; len(p) > 0; p = p[6:] {
		if err := c.set(binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])); err != nil {
			return err
		}
	}
	if !c.settled {
		c.settled = true
		c.headSince = 0
	}
	c.appendOut(func(b []byte) []byte { return appendFrame(b, 0, frameSettings, flagAck, 0) })
	c.fill() // behind the acknowledgement: the client counts by the new windows from there on
	return c.answered()
}

func (c *conn) set(id uint16, v uint32) error {
	switch id {
	case settingTableSize:
		c.enc.SetMaxDynamicTableSize(min(v, 4096))
	case settingPush:
		if v > 1 {
			return connError{codeProtocol, "SETTINGS_ENABLE_PUSH is neither 0 nor 1"}
		}
	case settingWindow:
		if v > maxWindow {
			return connError{codeFlow, "SETTINGS_INITIAL_WINDOW_SIZE is too large"}
		}
		return c.resize(int64(v))
	case settingFrameSize: // ours are never larger than the least that it may be
		if v < maxFrame || v > mostFrame {
			return connError{codeProtocol, "SETTINGS_MAX_FRAME_SIZE is out of bounds"}
		}
	}
	return nil
}

// resize changes the windows of all streams (RFC 9113 §6.9.2).
func (c *conn) resize(v int64) error {
	by := v - c.firstWindow
	c.firstWindow = v
	for _, s := range c.streams {
		s.sendWindow += by
		if s.sendWindow > maxWindow {
			return connError{codeFlow, "SETTINGS_INITIAL_WINDOW_SIZE makes a window too large"}
		}
		c.unblock(s)
	}
	return nil
}

// takePing is RFC 9113 §6.7.
func (c *conn) takePing(f frame, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.id != 0 {
		return connError{codeProtocol, "PING on a stream"}
	}
	if len(p) != pingLen {
		return connError{codeFrameSize, "PING of a wrong size"}
	}
	if err := c.noise(); err != nil {
		return err
	}
	if f.has(flagAck) {
		if string(p) == farewellPing {
			c.heard()
		}
		return nil
	}
	c.appendOut(func(b []byte) []byte { return appendPing(b, flagAck, p) })
	return c.answered()
}

// takeWindow is RFC 9113 §6.9.
func (c *conn) takeWindow(f frame, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) != 4 {
		return connError{codeFrameSize, "WINDOW_UPDATE of a wrong size"}
	}
	if err := c.noise(); err != nil {
		return err
	}
	by := int64(binary.BigEndian.Uint32(p) & maxWindow)
	if f.id == 0 {
		return c.widen(by)
	}
	s := c.streams[f.id]
	if s == nil {
		return c.isIdle(f.id, "WINDOW_UPDATE")
	}
	if by == 0 {
		return streamError{f.id, codeProtocol, "WINDOW_UPDATE by 0"}
	}
	if s.sendWindow += by; s.sendWindow > maxWindow {
		return streamError{f.id, codeFlow, "stream's window is too large"}
	}
	c.unblock(s)
	c.fill()
	return nil
}

func (c *conn) widen(by int64) error {
	if by == 0 {
		return connError{codeProtocol, "WINDOW_UPDATE by 0"}
	}
	if c.sendWindow += by; c.sendWindow > maxWindow {
		return connError{codeFlow, "connection's window is too large"}
	}
	c.fill()
	return nil
}

// isIdle gives an error for a stream that was never opened (RFC 9113 §5.1).
func (c *conn) isIdle(id uint32, what string) error {
	if id%2 == 0 || id > c.maxID {
		return connError{codeProtocol, what + " on an idle stream"}
	}
	return nil
}

// takeReset is RFC 9113 §6.4.
func (c *conn) takeReset(f frame, p []byte) error {
	if f.id == 0 {
		return connError{codeProtocol, "RST_STREAM on the connection"}
	}
	if len(p) != 4 {
		return connError{codeFrameSize, "RST_STREAM of a wrong size"}
	}
	c.mu.Lock()
	s := c.streams[f.id]
	if s == nil {
		defer c.mu.Unlock()
		if err := c.isIdle(f.id, "RST_STREAM"); err != nil {
			return err
		}
		return c.noise()
	}
	ok := c.resets.spend()
	c.abandon(s, errReset)
	c.mu.Unlock()
	s.ctx.cancel()
	if !ok {
		return errResets
	}
	return nil
}

// takePriority checks and drops what RFC 9113 §5.3.2 has deprecated.
func (c *conn) takePriority(f frame, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.id == 0 {
		return connError{codeProtocol, "PRIORITY on the connection"}
	}
	if err := c.noise(); err != nil {
		return err
	}
	if len(p) != priorityLen {
		return streamError{f.id, codeFrameSize, "PRIORITY of a wrong size"}
	}
	if dependsOn(p) == f.id {
		return streamError{f.id, codeProtocol, "stream depends on itself"}
	}
	return nil
}

// takeGoAway is RFC 9113 §6.8: a client that leaves has nothing else to say
// than that; its streams are finished.
func (c *conn) takeGoAway(f frame, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.id != 0 {
		return connError{codeProtocol, "GOAWAY on a stream"}
	}
	if len(p) < 8 {
		return connError{codeFrameSize, "GOAWAY of a wrong size"}
	}
	return c.noise()
}
