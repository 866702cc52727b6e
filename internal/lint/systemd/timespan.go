package systemd

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// forever is a time span of "infinity".
const forever = time.Duration(math.MaxInt64)

// parseSpan reads a time span of systemd.time(7): "90", "1min 30s", "infinity".
// A number without a unit is seconds.
func parseSpan(s string) (time.Duration, bool) {
	if s = strings.TrimSpace(s); s == "infinity" {
		return forever, true
	}
	var total float64
	for s != "" {
		n := numberLength(s)
		value, err := strconv.ParseFloat(s[:n], 64)
		if err != nil {
			return 0, false
		}
		s = strings.TrimLeft(s[n:], " ")
		n = unitLength(s)
		unit, ok := unitOf(s[:n])
		if !ok {
			return 0, false
		}
		total += value * float64(unit)
		s = strings.TrimLeft(s[n:], " ")
	}
	if total >= float64(forever) {
		return forever, true
	}
	return time.Duration(total), true
}

func numberLength(s string) int {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
		i++
	}
	return i
}

func unitLength(s string) int {
	if i := strings.IndexAny(s, "0123456789. "); i >= 0 {
		return i
	}
	return len(s)
}

func unitOf(s string) (time.Duration, bool) {
	const day = 24 * time.Hour
	switch s {
	case "", "s", "sec", "second", "seconds":
		return time.Second, true
	case "us", "usec", "µs", "μs":
		return time.Microsecond, true
	case "ms", "msec":
		return time.Millisecond, true
	case "m", "min", "minute", "minutes":
		return time.Minute, true
	case "h", "hr", "hour", "hours":
		return time.Hour, true
	case "d", "day", "days":
		return day, true
	case "w", "week", "weeks":
		return 7 * day, true
	case "M", "month", "months":
		return 30*day + 10*time.Hour + 30*time.Minute, true
	case "y", "year", "years":
		return 365*day + 6*time.Hour, true
	}
	return 0, false
}
