package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// settings are what a URL says.
type settings struct {
	brokers    []string
	tls        *tls.Config    // nil: plaintext
	sasl       sasl.Mechanism // nil: nobody
	partitions int32          // -1: as the broker likes
	replicas   int16
	nextGen    bool // groups by KIP-848
	session    time.Duration
	handover   time.Duration
	commit     time.Duration
	discovery  time.Duration
	maxMessage int32
}

// errURL says nothing of what net/url found: it quotes what may be the password.
var errURL = errors.New("kafka: the URL cannot be read; it is kafka://user:password@host:port,host:port/?parameter=value, with %40 and the like for special characters in the password")

func parse(text string) (settings, error) {
	s := settings{partitions: -1, replicas: -1, session: 10 * time.Second, handover: 30 * time.Second, commit: 250 * time.Millisecond, discovery: 15 * time.Second, maxMessage: 1048588}
	u, hosts, err := split(text)
	if err != nil {
		return s, err
	}
	for host := range strings.SplitSeq(hosts, ",") {
		broker, err := hostPort(host)
		if err != nil {
			return s, err
		}
		s.brokers = append(s.brokers, broker)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return s, errURL
	}
	return s, s.read(u.User, query)
}

// split takes the hosts out of a URL: net/url knows of one only.
func split(text string) (u *url.URL, hosts string, err error) {
	rest, ok := strings.CutPrefix(text, "kafka://")
	if !ok {
		return nil, "", errors.New("kafka: the URL begins with kafka://")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	at := strings.LastIndexByte(authority, '@') + 1
	u, err = url.Parse("kafka://" + authority[:at] + "hosts" + rest)
	if err != nil || u.Fragment != "" {
		return nil, "", errURL
	}
	if strings.Trim(u.Path, "/") != "" {
		return nil, "", errors.New("kafka: the URL has a path, and there is nothing in Kafka that it could name; a / in the password is written %2F")
	}
	return u, authority[at:], nil
}

// hostPort adds Kafka's usual port to a host that has none.
func hostPort(host string) (string, error) {
	if _, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", errURL // this may be a password whose special characters are not escaped
		}
		return host, nil
	}
	host = strings.Trim(host, "[]")
	if host == "" {
		return "", errors.New("kafka: the URL names no broker, or an empty one; it is kafka://host:port,host:port")
	}
	return net.JoinHostPort(host, "9092"), nil
}

// read reads the parameters.
func (s *settings) read(user *url.Userinfo, query url.Values) error {
	var files struct{ ca, cert, key string }
	var encrypt bool
	var mechanism, protocol string
	known := map[string]func(string) error{
		"tls":            func(v string) (err error) { encrypt, err = strconv.ParseBool(v); return err },
		"ca":             func(v string) error { files.ca = v; return nil },
		"cert":           func(v string) error { files.cert = v; return nil },
		"key":            func(v string) error { files.key = v; return nil },
		"sasl":           func(v string) error { mechanism = strings.ToLower(v); return nil },
		"group-protocol": func(v string) error { protocol = v; return nil },
		"partitions":     func(v string) error { return number(v, &s.partitions) },
		"replicas":       func(v string) error { return number(v, &s.replicas) },
		"max-message":    func(v string) error { return number(v, &s.maxMessage) },
		"session":        func(v string) error { return duration(v, &s.session) },
		"handover":       func(v string) error { return duration(v, &s.handover) },
		"commit":         func(v string) error { return duration(v, &s.commit) },
		"discovery":      func(v string) error { return duration(v, &s.discovery) },
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		set, ok := known[name]
		if !ok {
			return fmt.Errorf("kafka: the URL has a parameter %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		if err := set(query.Get(name)); err != nil {
			return fmt.Errorf("kafka: the URL's parameter %s=%s: %w", name, query.Get(name), err)
		}
	}
	switch protocol {
	case "", "classic":
	case "consumer":
		s.nextGen = true
	default:
		return fmt.Errorf("kafka: group-protocol is classic or consumer, not %q", protocol)
	}
	if err := s.identify(user, mechanism); err != nil {
		return err
	}
	if !encrypt {
		if files.ca+files.cert+files.key != "" {
			return errors.New("kafka: the URL names certificates, and no tls=true")
		}
		return nil
	}
	return s.encrypt(files.ca, files.cert, files.key)
}

func number[N int16 | int32](text string, n *N) error {
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < 1 || v != int64(N(v)) {
		return errors.New("a number above 0 is wanted")
	}
	*n = N(v)
	return nil
}

func duration(text string, d *time.Duration) error {
	v, err := time.ParseDuration(text)
	if err != nil || v < time.Millisecond {
		return errors.New("a duration above 0 is wanted, such as 10s")
	}
	*d = v
	return nil
}

func (s *settings) identify(user *url.Userinfo, mechanism string) error {
	if user == nil {
		if mechanism != "" {
			return fmt.Errorf("kafka: the URL says sasl=%s, and no user", mechanism)
		}
		return nil
	}
	name := user.Username()
	password, _ := user.Password()
	switch mechanism {
	case "plain":
		s.sasl = plain.Auth{User: name, Pass: password}.AsMechanism()
	case "scram-sha-256":
		s.sasl = scram.Auth{User: name, Pass: password}.AsSha256Mechanism()
	case "", "scram-sha-512":
		s.sasl = scram.Auth{User: name, Pass: password}.AsSha512Mechanism()
	default:
		return fmt.Errorf("kafka: sasl is plain, scram-sha-256 or scram-sha-512, not %q", mechanism)
	}
	return nil
}

func (s *settings) encrypt(ca, cert, key string) error {
	s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		data, err := os.ReadFile(ca)
		if err != nil {
			return fmt.Errorf("kafka: the URL's parameter ca: %w", err)
		}
		s.tls.RootCAs = x509.NewCertPool()
		if !s.tls.RootCAs.AppendCertsFromPEM(data) {
			return fmt.Errorf("kafka: there is no certificate in %s; PEM is wanted", ca)
		}
	}
	if cert+key == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("kafka: the URL's parameters cert and key: %w", err)
	}
	s.tls.Certificates = []tls.Certificate{pair}
	return nil
}

// common are the options that all clients have.
func (s *settings) common() []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(s.brokers...),
		kgo.ClientID("segue"),
		kgo.DisableClientMetrics(),
		kgo.MetadataMaxAge(s.discovery), kgo.MetadataMinAge(min(s.discovery, time.Second)),
	}
	if s.tls != nil {
		options = append(options, kgo.DialTLSConfig(s.tls))
	}
	if s.sasl != nil {
		options = append(options, kgo.SASL(s.sasl))
	}
	return options
}

// where and speech tell of the brokers without telling secrets.
func (s *settings) where() string { return strings.Join(s.brokers, ", ") }

func (s *settings) speech() string {
	speech := "plaintext"
	if s.tls != nil {
		speech = "TLS"
	}
	if s.sasl != nil {
		speech += " with " + s.sasl.Name()
	}
	return speech
}
