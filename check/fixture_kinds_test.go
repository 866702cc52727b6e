package check

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"
)

// Servers that are right, though not of the usual kind: no case takes what they
// cannot do on any day for something that the stop has done.
func TestRightServersOfOtherKinds(t *testing.T) {
	t.Parallel()
	for kind, tt := range map[string]struct {
		url    string
		paths  Paths
		cases  []string
		atOnce int
		alone  bool
	}{
		"tls": {"https://127.0.0.1:{port}/", Paths{Upload: "/upload"},
			[]string{"in-flight-short", "half-headers", "expect-continue", "idle-unused", "used-at-signal", "steady-load", "accept-queue"}, 0, false},
		"one-request": {"", Paths{Slow: "/slow", Stream: "/stream", Upload: "/upload"},
			[]string{"exit-busy", "in-flight-slow", "in-flight-stream", "half-body", "long-upload", "used-after-signal", "steady-load", "pipelined"}, 1, false},
		"one-connection": {"", Paths{Slow: "/slow", Upload: "/upload"},
			[]string{"exit-busy", "in-flight-short", "in-flight-slow", "half-headers", "used-at-signal", "used-after-signal", "steady-load", "accept-queue"}, 1, true},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			target := fixtureTarget(kind)
			target.URL, target.Paths = tt.url, tt.paths
			r := verdicts(t, target, tt.cases...)
			for _, c := range r.Results {
				if c.Verdict != Pass {
					t.Errorf("%s: %s (%s)", c.Case, c.Verdict, c.Outcome)
				}
			}
			if r.Survey.AtOnce != tt.atOnce || (r.Survey.Clients == 1) != tt.alone {
				t.Errorf("%d requests and %d connections at once, want %d, and one alone: %v", r.Survey.AtOnce, r.Survey.Clients, tt.atOnce, tt.alone)
			}
		})
	}
}

// A narrow server that can be stopped only once plays one case, and says why.
func TestNarrowServerThatIsStoppedOnce(t *testing.T) {
	t.Parallel()
	target, _ := running(t, "one-request")
	r := verdicts(t, target, "in-flight-slow", "half-body")
	if c, _ := r.Of("in-flight-slow"); c.Verdict != Pass {
		t.Errorf("%s: %s", c.Case, c.Verdict)
	}
	if c, _ := r.Of("half-body"); c.Verdict != Skip || c.Observed != onlyOne {
		t.Errorf("%s: %s, %s", c.Case, c.Verdict, c.Observed)
	}
}

func selfSigned() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
