package redis_test

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/redis"
)

func TestErrorsOfOpenSayWhatToDoAndKeepThePassword(t *testing.T) {
	t.Parallel()
	url := servertest.RedisURL(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	for what, c := range map[string]struct{ url, want string }{
		"nobody listens":   {"redis://u:hush@" + closed, "Redis at " + closed + "/0: open: "},
		"and the mend":     {"redis://u:hush@" + closed, "is the server running, and is this its port?"},
		"wrong password":   {strings.Replace(url, "s3cret-of-servertest", "hush", 1), "user or password in the URL are not the server's"},
		"no password":      {strings.Replace(url, "default:s3cret-of-servertest@", "", 1), "the server wants a password"},
		"no such database": {url + "000000", "fewer databases"},
		"no such host":     {"redis://u:hush@no.such.host.invalid", "is the host's name right?"},
		"no TLS":           {strings.Replace(url, "redis:", "rediss:", 1) + "?dial_timeout=500ms", "does it speak TLS"},
	} {
		s, err := redis.Open(t.Context(), c.url)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: opened", what)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v; want %q and no password", what, err, c.want)
		}
	}
}

func TestAReplicaIsRefused(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	s := open(t, server.URL())
	raw(t, server.URL(), "REPLICAOF", "127.0.0.1", "1")
	if _, err := redis.Open(t.Context(), server.URL()); err == nil || !strings.Contains(err.Error(), "use the URL of the primary") {
		t.Errorf("open: %v", err)
	}
	if _, err := s.Put(t.Context(), store.Write{Key: "a"}); err == nil || !strings.Contains(err.Error(), "use the URL of the primary") {
		t.Errorf("put, when it has become one: %v", err)
	}
}

func TestAUserWithoutRightsIsToldWhichAreNeeded(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	as := func(user string) string { return strings.Replace(server.URL(), "default:", user+":", 1) }
	rights := strings.Fields("on >" + server.Password() + " ~{segue}* +@read +@write +@scripting +@pubsub +@connection +time +info")
	raw(t, server.URL(), append([]string{"ACL", "SETUSER", "deaf"}, rights...)...)
	raw(t, server.URL(), append([]string{"ACL", "SETUSER", "poor"}, rights[:4]...)...)
	raw(t, server.URL(), append([]string{"ACL", "SETUSER", "rich", "&{segue}:*"}, rights...)...)
	s := open(t, as("rich"))
	servertest.Put(t, s, "a", store.Absent)
	if _, err := s.Watch(t.Context(), ""); err != nil {
		t.Error(err)
	}
	if _, err := open(t, as("deaf")).Watch(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "&{segue}:*") {
		t.Errorf("watch without a right to the channel: %v", err)
	}
	if _, err := redis.Open(t.Context(), as("poor")); err == nil || !strings.Contains(err.Error(), "+@scripting") {
		t.Errorf("open without a right to anything: %v", err)
	}
}

func TestAnotherProgramsKeyIsNoEntry(t *testing.T) {
	t.Parallel()
	url := servertest.RedisURL(t)
	s := open(t, url)
	raw(t, url, "SET", "{segue}/a", "theirs")
	raw(t, url, "RPUSH", "{segue}/b", "theirs")
	for _, key := range []string{"a", "b"} {
		if _, err := s.Get(t.Context(), key); err == nil || !strings.Contains(err.Error(), "?prefix=name") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestStoresOfDifferentPrefixesAreApart(t *testing.T) {
	t.Parallel()
	url := servertest.RedisURL(t)
	servertest.Put(t, open(t, url+"?prefix=one"), "a", store.Absent)
	if _, err := open(t, url+"?prefix=two").Get(t.Context(), "a"); err != store.ErrNotFound {
		t.Errorf("got %v", err)
	}
}

// Not parallel: it looks at what everybody logs.
func TestAServerThatEvictsIsWarnedOf(t *testing.T) {
	server := servertest.Redis(t)
	var log bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	logged := func(url string) string {
		log.Reset()
		open(t, url)
		return log.String()
	}
	raw(t, server.URL(), "CONFIG", "SET", "maxmemory-policy", "volatile-lru")
	if got := logged(server.URL()); got != "" {
		t.Errorf("without a bound on memory nothing is evicted, yet: %s", got)
	}
	raw(t, server.URL(), "CONFIG", "SET", "maxmemory", "100mb")
	if got := logged(server.URL()); !strings.Contains(got, "volatile-lru") || strings.Contains(got, server.Password()) {
		t.Errorf("logged: %s", got)
	}
	if got := logged(server.URL() + "?eviction=accepted"); got != "" {
		t.Errorf("who accepts it is warned: %s", got)
	}
}
