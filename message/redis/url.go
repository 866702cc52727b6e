package redis

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// settings are what a URL says.
type settings struct {
	option  rueidis.ClientOption
	prefix  string
	lease   time.Duration
	wait    time.Duration // of one read at most
	unix    bool
	cluster bool
	where   string // the server, for errors: without the password
}

const defaultLease = 30 * time.Second

var parameters = []string{"addr", "client_name", "db", "dial_timeout", "lease", "master_set", "prefix", "protocol", "skip_verify", "write_timeout"}

var prefixes = regexp.MustCompile(`^[A-Za-z0-9._:/-]{1,64}$`)

func parse(raw string) (settings, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// Not the parser's error: it has the URL in it, and the URL the password.
		return settings{}, errors.New("message: the Redis URL cannot be read; it looks like redis://user:password@host:6379/0, and / # ? % @ : in user or password are written %2F %23 %3F %25 %40 %3A")
	}
	q := u.Query()
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(parameters, name) {
			return settings{}, fmt.Errorf("message: the Redis URL has parameter %q; there are %s", name, strings.Join(parameters, ", "))
		}
	}
	set := settings{prefix: cmp.Or(q.Get("prefix"), "segue"), lease: defaultLease, wait: longestWait, unix: u.Scheme == "unix"}
	if !prefixes.MatchString(set.prefix) {
		return settings{}, fmt.Errorf("message: the Redis URL has prefix=%s; it has 1 to 64 letters, digits and . _ : / -", set.prefix)
	}
	if q.Has("lease") {
		if set.lease, err = time.ParseDuration(q.Get("lease")); err != nil || set.lease < time.Second || set.lease > abandonedAfter/2 {
			return settings{}, fmt.Errorf("message: the Redis URL has lease=%s; it is a duration between 1s and %v, such as 30s", q.Get("lease"), abandonedAfter/2)
		}
	}
	if set.option, err = rueidis.ParseURL(raw); err != nil {
		return settings{}, fmt.Errorf("message: the URL of Redis at %s: %w", u.Host, err)
	}
	set.where = fmt.Sprintf("Redis at %s/%d", strings.Join(set.option.InitAddress, ","), set.option.SelectDB)
	set.tune()
	return set, nil
}

// tune sets what does not stand in the URL.
func (set *settings) tune() {
	o := &set.option
	o.DisableCache = true
	o.DisableRetry = true // the bus asks again
	o.ClusterOption.MaxMovedRedirections = 16
	o.ClientName = cmp.Or(o.ClientName, "segue")
	if o.Sentinel.MasterSet != "" {
		o.Sentinel.TopologyRefreshInterval = 5 * time.Second
		o.Sentinel.TLSConfig = o.TLSConfig
	}
}

// names of what a topic has in Redis. A cluster keeps in one slot what has the same
// word in braces.
func (set *settings) stream(topic string) string {
	return set.prefix + ":message:{" + topic + "}"
}

func (set *settings) returned(topic, group string) string { return set.stream(topic) + ":" + group }
