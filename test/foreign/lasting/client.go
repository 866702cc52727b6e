package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// client keeps n WebSockets to url busy until its input ends. It prints a line
// for what each of them meets: "ok" for ten echoes, "restart" for a close with
// 1012, and "lost" for anything else. A closed one is opened again at once.
func client(url, n string) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	count, err := strconv.Atoi(n)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var wg sync.WaitGroup
	for i := range count {
		wg.Go(func() {
			for ctx.Err() == nil {
				meet(ctx, url, i)
			}
		})
	}
	wg.Wait()
}

func meet(ctx context.Context, url string, i int) {
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		say(ctx, "lost: dial: %v", err)
		return
	}
	defer c.CloseNow()
	for n := 1; ctx.Err() == nil; n++ {
		text := fmt.Sprintf("%d of %d", n, i)
		werr := c.Write(ctx, websocket.MessageText, []byte(text))
		_, got, err := c.Read(ctx)
		switch {
		case err != nil && websocket.CloseStatus(err) == websocket.StatusServiceRestart:
			say(ctx, "restart")
			return
		case err != nil || werr != nil:
			say(ctx, "lost: %v, %v", werr, err)
			return
		case string(got) != text:
			say(ctx, "lost: %q came back as %q", text, got)
			return
		case n%10 == 0:
			say(ctx, "ok")
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func say(ctx context.Context, format string, args ...any) {
	if ctx.Err() == nil {
		fmt.Printf(format+"\n", args...)
	}
}
