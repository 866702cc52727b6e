package kafka_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/message/kafka"
)

// kcat runs Debian's kcat, which is built on librdkafka.
func kcat(t *testing.T, brokers, in string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("kcat")
	if err != nil {
		t.Fatalf("%v; install it: apt-get install kcat (scripts/need kcat)", err)
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"-b", brokers, "-q"}, args...)...)
	cmd.Stdin = strings.NewReader(in)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kcat %v: %v\n%s", args, err, errs.String())
	}
	return string(out)
}

func TestAnotherClientReadsWhatWePublish(t *testing.T) {
	t.Parallel()
	brokers := servertest.KafkaBrokers(t)
	b, topic := open(t, "kafka://"+brokers), topic()
	err := b.Publish(t.Context(), message.Message{ID: "m-1", Topic: topic, Key: "shipment-7", Time: time.UnixMilli(1_700_000_000_123),
		Header: map[string]string{"type": "packed"}, Body: []byte("a body")})
	if err != nil {
		t.Fatal(err)
	}
	got := kcat(t, brokers, "", "-C", "-t", topic, "-o", "beginning", "-e", "-f", "%k|%s|%h|%T\n")
	if want := "shipment-7|a body|message-id=m-1,type=packed|1700000000123\n"; got != want {
		t.Errorf("kcat reads %q, want %q", got, want)
	}
}

func TestWeReadWhatAnotherClientPublishes(t *testing.T) {
	t.Parallel()
	brokers := servertest.KafkaBrokers(t)
	b, topic := open(t, "kafka://"+brokers+"/?partitions=1"), topic()
	m := subscribe(t, b, topic, "g", 10)
	kcat(t, brokers, "k1|first\n", "-P", "-t", topic, "-K", "|", "-H", "message-id=theirs", "-H", "type=packed")
	kcat(t, brokers, "second\n", "-P", "-t", topic, "-z", "gzip")
	got := m.next(2)
	if d := got[0]; d.ID != "theirs" || d.Key != "k1" || string(d.Body) != "first" || len(d.Header) != 1 || d.Header["type"] != "packed" || time.Since(d.Time) > time.Minute {
		t.Errorf("got %+v", d.Message)
	}
	if d := got[1]; d.ID != topic+"/0/1" || d.Key != "" || string(d.Body) != "second" || len(d.Header) != 0 {
		t.Errorf("got %+v", d.Message)
	}
}

// TestAnotherClientTakesTurnsWithUs sees that an acknowledged message is one for any
// client of the same consumer group.
func TestAnotherClientTakesTurnsWithUs(t *testing.T) {
	t.Parallel()
	brokers := servertest.KafkaBrokers(t)
	b, topic := open(t, "kafka://"+brokers+"/?partitions=1"), topic()
	m := subscribe(t, b, topic, "g", 1)
	publish(t, b, topic, 0, 2)
	m.ack(m.next(1)...)
	m.leave()
	got := kcat(t, brokers, "", "-G", "g/"+topic, "-c", "1", "-f", "%s\n", "-X", "partition.assignment.strategy=cooperative-sticky", topic)
	if got != "1\n" {
		t.Errorf("kcat reads %q, want what was not acknowledged", got)
	}
	publish(t, b, topic, 2, 3)
	if d := subscribe(t, b, topic, "g", 1).next(1); d[0].ID != "2" {
		t.Errorf("got %s after kcat has had 1", d[0].ID)
	}
}

func TestTLSAndPasswords(t *testing.T) {
	t.Parallel()
	server, ca := certificate(t)
	k := servertest.Kafka(t, kfake.EnableSASL(), kfake.TLS(server),
		kfake.Superuser("SCRAM-SHA-512", "us", "hush@,/"), kfake.Superuser("SCRAM-SHA-256", "us", "hush@,/"), kfake.Superuser("PLAIN", "us", "hush@,/"))
	for _, sasl := range []string{"scram-sha-512", "scram-sha-256", "plain"} {
		b := open(t, "kafka://us:hush%40%2C%2F@"+k.Brokers()+"/?tls=true&ca="+ca+"&sasl="+sasl)
		topic := topic()
		m := subscribe(t, b, topic, "g", 1)
		publish(t, b, topic, 0, 1)
		m.ack(m.next(1)...)
	}
	for name, url := range map[string]string{
		"a wrong password":   "kafka://us:hushhush@" + k.Brokers() + "/?tls=true&ca=" + ca,
		"nobody's word":      "kafka://us:hush%40%2C%2F@" + k.Brokers() + "/?tls=true",
		"no TLS where it is": "kafka://us:hush%40%2C%2F@" + k.Brokers(),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		b, err := kafka.Open(ctx, url)
		cancel()
		if err == nil {
			_ = b.Close()
			t.Errorf("%s is enough", name)
		} else if strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
}

// certificate is a server's TLS, and the file of whom to trust for it.
func certificate(t *testing.T) (server *tls.Config, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(crand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, ca
}
