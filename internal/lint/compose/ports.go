package compose

import (
	"encoding/json"
	"strconv"
	"strings"
)

// A port that is published, by the short syntax or the long one.
type port struct {
	host   string // 8080, or 8080-8089; empty: the engine chooses one
	target string
	mode   string // host or ingress, of the long syntax
}

func (p *port) UnmarshalJSON(data []byte) error {
	var long struct {
		Target, Published, Mode text
	}
	if json.Unmarshal(data, &long) == nil {
		*p = port{string(long.Published), string(long.Target), string(long.Mode)}
		return nil
	}
	var short text
	_ = short.UnmarshalJSON(data)
	*p = shortPort(string(short))
	return nil
}

// shortPort reads [[ADDRESS:]HOST:]TARGET[/PROTOCOL].
func shortPort(s string) port {
	s, _, _ = strings.Cut(s, "/")
	i := strings.LastIndex(s, ":")
	if i < 0 {
		return port{target: s}
	}
	p := port{host: s[:i], target: s[i+1:]}
	if i := strings.LastIndex(p.host, ":"); i >= 0 {
		p.host = p.host[i+1:]
	}
	return p
}

// hosts is how many containers can have such a port on one machine; 0 is as
// many as one likes.
func (p port) hosts() int {
	if p.host == "" || p.host == "0" {
		return 0
	}
	from, to, isRange := strings.Cut(p.host, "-")
	if !isRange {
		return 1
	}
	first, err1 := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	if err1 != nil || err2 != nil || last < first {
		return 1
	}
	if from, to, many := strings.Cut(p.target, "-"); many {
		low, err1 := strconv.Atoi(from)
		high, err2 := strconv.Atoi(to)
		if err1 == nil && err2 == nil && high-low == last-first {
			return 1 // as many ports of one container, each on its own
		}
	}
	return last - first + 1
}

// storePorts are where databases, caches and queues listen: a service that
// publishes nothing else keeps data.
const storePorts = " 1433 1521 2181 2379 3306 5432 5672 6379 6380 7687 8086 9042 9092 9200 9300 11211 15672 26257 27017 28015 "

func (p port) ofStore() bool { return p.target != "" && strings.Contains(storePorts, " "+p.target+" ") }
