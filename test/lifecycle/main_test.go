package lifecycle_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/test/harness"
)

// serveVariable makes the test binary the service itself. Its value says how the
// service behaves as a new process.
const serveVariable = "LIFECYCLE_TEST_SERVE"

func TestMain(m *testing.M) {
	if how := os.Getenv(serveVariable); how != "" {
		if err := serve(how); err != nil {
			log.Fatal(err)
		}
		os.Exit(0)
	}
	// Processes that have lost the one that started them become children of this
	// one, which can wait for them.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		log.Fatal(err)
	}
	harness.SideBySide(8)
	harness.Main(m)
}

// serve is the main function of the service. A fault shows itself in processes
// that replace others, as long as the file named by faultFile is there.
func serve(how string) error {
	slog.SetDefault(slog.With("pid", os.Getpid()))
	parts := []lifecycle.Component{lifecycle.Func("fault", func(ctx context.Context) error { return fault(ctx, how) }, nil)}
	var both http.Protocols
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	hs := &http.Server{Handler: fixture(), Protocols: &both}
	if how == "tls" {
		both.SetHTTP2(true)
		pair, err := selfSigned()
		if err != nil {
			return err
		}
		hs.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	parts = append(parts, lifecycle.HTTP(hs, lifecycle.WithReadiness("/ready")))
	app := lifecycle.App{Components: parts, PIDFile: os.Getenv("LIFECYCLE_TEST_PIDFILE"), ReplaceTimeout: time.Minute}
	if how == "hangs" || how == "deaf" {
		app.ReplaceTimeout = 2 * time.Second
	}
	return app.Run(context.Background())
}

// faultFile makes a fault show itself.
const faultFile = "LIFECYCLE_TEST_FAULT"

func fault(ctx context.Context, how string) error {
	if !there(os.Getenv(faultFile)) {
		return nil
	}
	switch how {
	case "fails":
		return errors.New("a setting is wrong")
	case "hangs":
		<-ctx.Done()
		return ctx.Err()
	case "deaf": // hangs, and does not want to know of signals either
		select {}
	case "dies":
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "slow": // until the file is removed
		for ctx.Err() == nil && there(os.Getenv(faultFile)) {
			time.Sleep(time.Millisecond)
		}
		return ctx.Err()
	}
	return nil
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func there(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func whoAmI(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte(strconv.Itoa(os.Getpid())))
}
