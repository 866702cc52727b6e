package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// TestMain makes the test binary a proxy when a benchmark starts it as one.
func TestMain(m *testing.M) {
	switch os.Getenv("SEGUE_BENCH_CHILD") {
	case "segue":
		benchChild(benchSegue)
	case "reverseproxy":
		benchChild(benchReverseProxy)
	case "inherit":
		inheritChild()
	default:
		os.Exit(runBothPaths(m))
	}
}

// general has the proxies under test keep to the general path.
var general bool

// runBothPaths runs all tests twice, since what the paths promise is the same.
// SEGUE_TEST_PATH, fast or general, chooses one.
func runBothPaths(m *testing.M) (code int) {
	for _, path := range []string{"fast", "general"} {
		if only := os.Getenv("SEGUE_TEST_PATH"); only != "" && only != path || code != 0 {
			continue
		}
		general = path == "general"
		fmt.Fprintln(os.Stderr, "path:", path)
		code = m.Run()
	}
	return code
}

func benchChild(serve func(ctx context.Context, ln *os.File, upstream string)) {
	if path := os.Getenv("SEGUE_BENCH_PROFILE"); path != "" {
		f, err := os.Create(path)
		if err != nil {
			panic(err)
		}
		pprof.StartCPUProfile(f)
		defer pprof.StopCPUProfile()
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	serve(ctx, os.NewFile(3, "listener"), os.Getenv("SEGUE_BENCH_UPSTREAM"))
}

func benchSegue(ctx context.Context, ln *os.File, upstream string) {
	err := proxy.Run(ctx, proxy.Options{
		Listeners: map[string]*os.File{key: ln}, DrainTimeout: time.Millisecond,
		Config: &proxy.Config{Services: []proxy.Service{{Name: "shop", Listen: []string{key}, Instances: []proxy.Instance{{ID: "a", Addr: upstream}}}}},
	})
	if err != nil {
		panic(err)
	}
}

// benchReverseProxy is what Caddy and kamal-proxy are built on.
func benchReverseProxy(ctx context.Context, f *os.File, upstream string) {
	ln, err := net.FileListener(f)
	if err != nil {
		panic(err)
	}
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.MaxIdleConnsPerHost = 1000
	target := &url.URL{Scheme: "http", Host: upstream}
	rp := &httputil.ReverseProxy{Transport: tr, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()
	}}
	go http.Serve(ln, rp)
	<-ctx.Done()
}

// BenchmarkRequest tells what a request costs the proxy's process, all of its
// processor time counted, beside net/http/httputil.ReverseProxy with the same
// client and the same instance.
func BenchmarkRequest(b *testing.B) {
	const browser = "GET /path HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nAccept-Language: en\r\nCookie: session=0123456789abcdef\r\n\r\n"
	const post = "POST /path HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
	const fields = "Content-Type: text/plain\r\nDate: Sat, 21 Nov 2026 00:00:00 GMT\r\nServer: x\r\n"
	for _, c := range []struct{ name, request, answer string }{
		{"get-100B", browser, "HTTP/1.1 200 OK\r\n" + fields + "Content-Length: 100\r\n\r\n" + strings.Repeat("x", 100)},
		{"get-100KiB", browser, "HTTP/1.1 200 OK\r\n" + fields + "Content-Length: 102400\r\n\r\n" + strings.Repeat("x", 102400)},
		{"post-100B", post + strings.Repeat("x", 100), "HTTP/1.1 200 OK\r\n" + fields + "Content-Length: 2\r\n\r\nok"},
	} {
		for _, child := range []string{"reverseproxy", "segue"} {
			b.Run(c.name+"/"+child, func(b *testing.B) { benchRequests(b, child, c.request, c.answer) })
		}
	}
}

func benchRequests(b *testing.B, child, request, answer string) {
	up := listen(b)
	go func() {
		for {
			c, err := up.Accept()
			if err != nil {
				return
			}
			go func() {
				r := bufio.NewReader(c)
				for {
					head := readHead(r)
					if head == "" {
						return
					}
					if strings.HasPrefix(head, "POST") {
						r.Discard(100)
					}
					io.WriteString(c, answer)
				}
			}()
		}
	}()
	ln := listen(b)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SEGUE_BENCH_CHILD="+child, "SEGUE_BENCH_UPSTREAM="+up.Addr().String())
	cmd.ExtraFiles = []*os.File{file(b, ln)}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	cmd.ExtraFiles[0].Close()
	addr := ln.Addr().String()
	ln.Close()
	const clients = 16
	var wg sync.WaitGroup
	b.ResetTimer()
	for range clients {
		wg.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close()
			r := bufio.NewReader(c)
			for range max(b.N/clients, 1) {
				io.WriteString(c, request)
				res, err := http.ReadResponse(r, nil)
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, res.Body)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N), "cpu-ns/req")
	b.ReportMetric(float64(b.N)/cpu.Seconds(), "req/cpu-s")
}
