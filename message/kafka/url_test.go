package kafka

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/doctest"
)

func TestFirstExample(t *testing.T) {
	doctest.FirstExample(t, "../../docs/message-kafka.md", "example_test.go")
}

func TestURLs(t *testing.T) {
	for url, want := range map[string]func(s settings) bool{
		"kafka://a": func(s settings) bool {
			return slices.Equal(s.brokers, []string{"a:9092"}) && s.tls == nil && s.sasl == nil
		},
		"kafka://a:1,b,[::1]:3,[::]": func(s settings) bool {
			return slices.Equal(s.brokers, []string{"a:1", "b:9092", "[::1]:3", "[::]:9092"})
		},
		"kafka://a/":                              func(s settings) bool { return s.partitions == -1 && s.replicas == -1 && !s.nextGen },
		"kafka://a?tls=true":                      func(s settings) bool { return s.tls != nil },
		"kafka://u:p%40,%2F:@a:1,b":               func(s settings) bool { return s.sasl.Name() == "SCRAM-SHA-512" && len(s.brokers) == 2 },
		"kafka://u:p@a/?sasl=plain":               func(s settings) bool { return s.sasl.Name() == "PLAIN" },
		"kafka://u:p@a/?sasl=SCRAM-SHA-256&tls=1": func(s settings) bool { return s.sasl.Name() == "SCRAM-SHA-256" && s.tls != nil },
		"kafka://a/?partitions=12&replicas=3&group-protocol=consumer": func(s settings) bool { return s.partitions == 12 && s.replicas == 3 && s.nextGen },
		"kafka://a/?session=6s&handover=1m&commit=50ms&max-message=9": func(s settings) bool {
			return s.session == 6*time.Second && s.handover == time.Minute && s.commit == 50*time.Millisecond && s.maxMessage == 9
		},
	} {
		if s, err := parse(url); err != nil || !want(s) {
			t.Errorf("%s: got %+v, %v", url, s, err)
		}
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	for url, want := range map[string]string{
		"redis://a":                         "begins with kafka://",
		"kafka://":                          "names no broker",
		"kafka://a,,b":                      "or an empty one",
		"kafka://a/orders":                  "has a path",
		"kafka://a/?topic=x":                `a parameter "topic"; there are ca, cert, commit,`,
		"kafka://a/?partitions=0":           "partitions=0: a number above 0",
		"kafka://a/?replicas=40000":         "replicas=40000: a number",
		"kafka://a/?session=10":             "session=10: a duration above 0 is wanted, such as 10s",
		"kafka://a/?tls=maybe":              "tls=maybe",
		"kafka://a/?sasl=plain":             "sasl=plain, and no user",
		"kafka://u:hush@a/?sasl=gssapi":     `not "gssapi"`,
		"kafka://a/?group-protocol=share":   `not "share"`,
		"kafka://a/?ca=/nowhere":            "no tls=true",
		"kafka://a/?tls=true&ca=/nowhere":   "ca: open /nowhere",
		"kafka://a/?tls=true&cert=/nowhere": "cert and key",
		"kafka://u:hush%zz@a":               "cannot be read",
		"kafka://u:hu?sh@a:1":               "cannot be read",
		"kafka://u:hush@a#b":                "cannot be read",
		"kafka://u:hush@a:http":             "cannot be read",
		"kafka://u:hush@a/?tls=%zz":         "cannot be read",
	} {
		_, err := parse(url)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", url, err, want)
		} else if strings.Contains(err.Error(), "hu") {
			t.Errorf("%s: the error shows the password: %v", url, err)
		}
	}
}
