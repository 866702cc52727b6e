package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"
	"time"
)

// serveTCP speaks a protocol of its own in place of HTTP. A client's first line
// says what it wants: "echo" has every line said back behind the instance's
// name, "sum" the SHA-256 of all that follows until the client ends its side.
// An answer takes WORK.
func serveTCP(ctx context.Context) {
	ln, err := net.Listen("tcp", address())
	if err != nil {
		log.Fatal(err)
	}
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	var conns sync.WaitGroup
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		conns.Go(func() {
			defer c.Close()
			if err := converse(c); err != nil {
				log.Print(err)
			}
		})
	}
	conns.Wait()
	log.Print("finished")
}

func converse(c net.Conn) error {
	in := bufio.NewReader(c)
	wish, err := in.ReadString('\n')
	if errors.Is(err, io.EOF) {
		return nil // a probe
	}
	if wish == "sum\n" {
		h := sha256.New()
		if _, err := io.Copy(h, in); err != nil {
			return err
		}
		time.Sleep(duration("WORK"))
		_, err := fmt.Fprintf(c, "%x", h.Sum(nil))
		return err
	}
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		time.Sleep(duration("WORK"))
		if _, err := fmt.Fprintf(c, "%s: %s", os.Getenv("SEGUE_INSTANCE"), line); err != nil {
			return err
		}
	}
}
