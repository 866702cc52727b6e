package rabbitmq

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// settings are what a URL says.
type settings struct {
	urls    []string // of the nodes, as the client library takes them: passwords in them
	where   string   // the server, for errors: without the password
	prefix  string
	classic bool
	timeout time.Duration // of connecting
	name    string        // how the server shows us
}

var parameters = []string{"addr", "auth_mechanism", "cacertfile", "certfile", "channel_max", "connection_timeout",
	"heartbeat", "keyfile", "prefix", "queue", "server_name_indication"}

var prefixes = regexp.MustCompile(`^[A-Za-z0-9._:/-]{0,64}$`)

func parse(raw string) (settings, error) {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "amqp" && u.Scheme != "amqps") || u.Host == "" {
		// Not the parser's error: it has the URL in it, and the URL the password.
		return settings{}, errors.New("message: the RabbitMQ URL cannot be read; it looks like amqp://user:password@host:5672/vhost, and / # ? % @ : in user or password are written %2F %23 %3F %25 %40 %3A")
	}
	q := u.Query()
	if err := checkQuery(q); err != nil {
		return settings{}, err
	}
	if u.Path == "/" {
		u.Path = "" // the virtual host "/", as RabbitMQ's own URLs have it; an empty one is nobody's wish
	}
	uri, err := amqp.ParseURI(u.String())
	if err != nil {
		return settings{}, fmt.Errorf("message: the URL of RabbitMQ at %s: %s", u.Host, strings.TrimPrefix(err.Error(), "AMQP "))
	}
	set := settings{prefix: q.Get("prefix"), classic: q.Get("queue") == "classic", name: "segue " + filepath.Base(os.Args[0])}
	set.timeout = cmp.Or(time.Duration(uri.ConnectionTimeout)*time.Millisecond, 10*time.Second)
	hosts := append([]string{u.Host}, q["addr"]...)
	for _, host := range hosts {
		node := *u
		node.Host = host
		set.urls = append(set.urls, node.String())
	}
	set.where = fmt.Sprintf("RabbitMQ at %s, virtual host %s", strings.Join(hosts, ","), uri.Vhost)
	return set, nil
}

func checkQuery(q url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(parameters, name) {
			return fmt.Errorf("message: the RabbitMQ URL has parameter %q; there are %s", name, strings.Join(parameters, ", "))
		}
	}
	if p := q.Get("prefix"); !prefixes.MatchString(p) {
		return fmt.Errorf("message: the RabbitMQ URL has prefix=%s; it has up to 64 letters, digits and . _ : / -", p)
	}
	if k := q.Get("queue"); q.Has("queue") && k != amqp.QueueTypeClassic && k != amqp.QueueTypeQuorum {
		return fmt.Errorf("message: the RabbitMQ URL has queue=%s; there are quorum and classic", k)
	}
	return nil
}

// names of what a topic and a group are in RabbitMQ. A name of ours has no slash.
func (set *settings) exchange(topic string) string     { return set.prefix + topic }
func (set *settings) queue(topic, group string) string { return set.prefix + topic + "/" + group }
