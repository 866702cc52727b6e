package sqlite

import "time"

// offset is how far the clock on the wall is ahead of ours, in microseconds.
func (c clock) offset() int64 { return time.Now().UnixMicro() - c.now() }

// wall is a moment of ours on the wall; zero is never.
func (c clock) wall(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(at-c.now()) * time.Microsecond)
}
