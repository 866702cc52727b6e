package redis

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// settings are what a URL says.
type settings struct {
	option rueidis.ClientOption
	prefix string // in braces: a cluster keeps in one slot what has the same word in braces
	unix   bool
	evicts bool   // it is known that the server evicts
	where  string // the server, for errors: without the password
}

// ours are the parameters that are not rueidis'.
var ours = []string{"prefix", "eviction"}

var theirs = []string{"db", "addr", "master_set", "skip_verify", "protocol", "dial_timeout", "write_timeout", "client_name"}

var prefixes = regexp.MustCompile(`^[A-Za-z0-9._:/-]{1,64}$`)

func parse(raw string) (settings, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// Not the parser's error: it has the URL in it, and the URL the password.
		return settings{}, errors.New("store: the Redis URL cannot be read; it looks like redis://user:password@host:6379/0, and / # ? % @ : in user or password are written %2F %23 %3F %25 %40 %3A")
	}
	set := settings{prefix: "{" + cmp.Or(u.Query().Get("prefix"), "segue") + "}", unix: u.Scheme == "unix"}
	if err := checkQuery(u.Query()); err != nil {
		return set, err
	}
	if set.option, err = rueidis.ParseURL(raw); err != nil {
		return set, fmt.Errorf("store: the URL of Redis at %s: %w", u.Host, err)
	}
	set.evicts = u.Query().Has("eviction")
	set.where = fmt.Sprintf("Redis at %s/%d", strings.Join(set.option.InitAddress, ","), set.option.SelectDB)
	set.tune()
	return set, nil
}

func checkQuery(q url.Values) error {
	known := append(slices.Clone(ours), theirs...)
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(known, name) {
			slices.Sort(known)
			return fmt.Errorf("store: the Redis URL has parameter %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	if p := q.Get("prefix"); q.Has("prefix") && !prefixes.MatchString(p) {
		return fmt.Errorf("store: the Redis URL has prefix=%s; it has 1 to 64 letters, digits and . _ : / -", p)
	}
	if e := q.Get("eviction"); q.Has("eviction") && e != "accepted" {
		return fmt.Errorf("store: the Redis URL has eviction=%s; there is eviction=accepted", e)
	}
	return nil
}

// tune sets what does not stand in the URL.
func (set *settings) tune() {
	o := &set.option
	o.DisableCache = true // values go to who keeps a cache, by Watch
	o.DisableRetry = true // we ask again ourselves, see read
	o.ClusterOption.MaxMovedRedirections = 16
	o.ClientName = cmp.Or(o.ClientName, "segue")
	if o.Sentinel.MasterSet != "" {
		o.Sentinel.TopologyRefreshInterval = 5 * time.Second
		o.Sentinel.TLSConfig = o.TLSConfig
	}
}

// names of what a store has in Redis.
func (set *settings) entry(key string) string { return set.prefix + "/" + key }
func (set *settings) revision() string        { return set.prefix + ":revision" }
func (set *settings) changes() string {
	return set.prefix + ":changes:" + strconv.Itoa(set.option.SelectDB) // channels are of no database
}
