//go:build bench

package bench

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/http2"
)

// held is a connection on which nothing happens but what ask does: one
// request, and its answer read.
type held interface {
	ask() error
	Close() error
}

// held1 speaks HTTP/1.1.
type held1 struct{ net.Conn }

func openPlain(d net.Dialer, addr string) (held, error) {
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return held1{c}, nil
}

func openTLS(d net.Dialer, addr string) (held, error) {
	c, err := tls.DialWithDialer(&d, "tcp", addr, tlsClient("http/1.1"))
	if err != nil {
		return nil, err
	}
	return held1{c}, nil
}

func (c held1) ask() error {
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+certName+"\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	if err != nil {
		return err
	}
	return taken(res)
}

// held2 speaks HTTP/2.
type held2 struct{ *http2.ClientConn }

func openH2(d net.Dialer, addr string) (held, error) {
	c, err := tls.DialWithDialer(&d, "tcp", addr, tlsClient("h2"))
	if err != nil {
		return nil, err
	}
	cc, err := (&http2.Transport{}).NewClientConn(c)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return held2{cc}, nil
}

func (c held2) ask() error {
	req, err := http.NewRequest(http.MethodGet, "https://"+certName+"/", nil)
	if err != nil {
		return err
	}
	res, err := c.RoundTrip(req)
	if err != nil {
		return err
	}
	return taken(res)
}

func taken(res *http.Response) error {
	_, err := io.Copy(io.Discard, res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", res.Status)
	}
	return nil
}
