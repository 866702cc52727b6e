//go:build bench

package packages

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/diegoholiveira/jsonlogic/v3"
	sdk "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"
	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/featureflag/ofrep"
	"github.com/seguehq/segue/featureflag/openfeature"
)

const rampRule = `{"if": [{"==": [{"fractional": [["on", 2550], ["", 7450]]}, "on"]}, "on", null]}`

// flagRules are what flags are asked with, by what they do.
var flagRules = []struct{ name, rule string }{
	{"no targeting, or killed", ""},
	{"a ramp", rampRule},
	{"a ramp over targeting", `{"if": [{"==": [{"fractional": [["on", 2550], ["", 7450]]}, "on"]}, "on", {"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "on"]}]}`},
	{"fractional by targeting key", `{"fractional": [["on", 50], ["off", 50]]}`},
	{"fractional by flag key and email", `{"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "email"}]}, ["on", 50], ["off", 50]]}`},
	{"an attribute is one of two", `{"if": [{"in": [{"var": "plan"}, ["silver", "gold"]]}, "on", null]}`},
	{"four conditions", `{"if": [{"and": [{"!": {"var": "guest"}}, {"==": [{"var": "plan"}, "gold"]}, {"starts_with": [{"var": "email"}, "ada@"]}, {">": [{"var": "age"}, 17]}]}, "on", null]}`},
	{"left to the library (substr)", `{"if": [{"==": [{"substr": [{"var": "email"}, 0, 3]}, "ada"]}, "on", null]}`},
}

func flagSet(n int) *featureflag.Set {
	off := "off"
	d := featureflag.Definitions{Flags: map[string]featureflag.Definition{}}
	for i := range n {
		r := flagRules[i%len(flagRules)]
		d.Flags["flag-"+strconv.Itoa(i)] = featureflag.Definition{State: featureflag.Enabled, DefaultVariant: &off, Targeting: json.RawMessage(r.rule),
			Variants: map[string]json.RawMessage{"on": json.RawMessage("true"), "off": json.RawMessage("false")}}
	}
	return featureflag.Compile(d)
}

// fixed are flags that do not change.
type fixed struct{ set *featureflag.Set }

func (f fixed) Ready(context.Context) error { return nil }
func (f fixed) Set() *featureflag.Set       { return f.set }
func (f fixed) Changed() <-chan struct{}    { return nil }

func attributes() map[string]any {
	return map[string]any{"email": "ada@example.com", "plan": "gold", "guest": false, "age": 42.0}
}

// TestFlags is one evaluation in process.
func TestFlags(t *testing.T) {
	set, about := flagSet(len(flagRules)), attributes()
	type way struct {
		name string
		ask  func(user string)
	}
	var ways []way
	for i, r := range flagRules {
		key := "flag-" + strconv.Itoa(i)
		ways = append(ways, way{r.name, func(user string) { set.Bool(key, featureflag.Context{Key: user, Attributes: about}, false) }})
	}
	api := isolated.NewAPI()
	if err := api.SetProviderAndWait(t.Context(), openfeature.New(fixed{set})); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = api.Shutdown(context.Background()) }()
	client := api.NewClient()
	ways = append(ways,
		way{"a ramp, by OpenFeature's SDK", func(user string) {
			_, _ = client.BooleanValue(context.Background(), "flag-1", false, sdk.NewEvaluationContext(user, about))
		}},
		way{"as much of a ramp by diegoholiveira/jsonlogic, as flagd calls it: JSON in, JSON out", func(user string) {
			data, _ := json.Marshal(map[string]any{"targetingKey": user, "plan": "gold"})
			var out bytes.Buffer
			_ = jsonlogic.Apply(strings.NewReader(`{"if": [{"==": [{"cat": ["new", {"var": "targetingKey"}]}, "on"]}, "on", null]}`), bytes.NewReader(data), &out)
		}})
	measures := make([]func(*testing.T) float64, len(ways))
	for i, w := range ways {
		measures[i] = func(t *testing.T) float64 {
			return each(t, 1, cpu, func(user string) error { w.ask(user); return nil })
		}
	}
	got := inTurn(t, measures...)
	var tab table
	tab.row("a flag with", "ns of CPU", "allocations")
	for i, w := range ways {
		tab.row(w.name, fmt.Sprintf("%.0f", median(got[i])), fmt.Sprint(testing.AllocsPerRun(1000, func() { w.ask("product-7") })))
	}
	write(t, "flags", "One evaluation of a flag of true and false in process, for a user in turn of a thousand.", tab)
}

// ofrepEnv makes this binary the server of so many flags.
const ofrepEnv = "SEGUE_BENCH_OFREP"

func serveOFREP(flags string) error {
	n, err := strconv.Atoi(flags)
	if err != nil {
		return err
	}
	set := flagSet(n)
	mux := http.NewServeMux()
	mux.Handle("POST /", ofrep.Handler(func() *featureflag.Set { return set }))
	mux.HandleFunc("GET /cpu", func(w http.ResponseWriter, _ *http.Request) {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		fmt.Fprint(w, u.Utime.Nano()+u.Stime.Nano())
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() { // until the benchmark ends, however it does
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return http.Serve(l, mux)
}

// ofrepServer starts a server of n flags in a process of its own, whose CPU is its own.
func ofrepServer(t *testing.T, n int) (url string) {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), ofrepEnv+"="+strconv.Itoa(n))
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + strings.TrimSpace(addr)
}

func serverCPU(t *testing.T, url string) float64 {
	r, err := http.Get(url + "/cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var ns float64
	if _, err := fmt.Fscan(r.Body, &ns); err != nil {
		t.Fatal(err)
	}
	return ns
}

// perCPU posts a body from so many connections until the span is over, and
// returns the requests that the server answered in a second of its CPU.
func perCPU(t *testing.T, server, path string, status int, header ...string) float64 {
	body := []byte(`{"context": {"targetingKey": "5c3d8535-f81a-4478-a6d3-afaa4d51199e", "email": "ada@example.com", "plan": "gold"}}`)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	post := func() error {
		r, err := http.NewRequest(http.MethodPost, server+path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		if len(header) == 2 {
			r.Header.Set(header[0], header[1])
		}
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != status {
			return fmt.Errorf("%s: %s, %v", path, answer.Status, err)
		}
		return nil
	}
	if err := post(); err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	var wg sync.WaitGroup
	begin, end := serverCPU(t, server), time.Now().Add(span)
	for range 16 {
		wg.Go(func() {
			for time.Now().Before(end) {
				if err := post(); err != nil {
					t.Error(err)
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(n.Load()) / ((serverCPU(t, server) - begin) / 1e9)
}

// TestOFREP is evaluation by HTTP.
func TestOFREP(t *testing.T) {
	const flags, few = 100, 16
	many, some := ofrepServer(t, flags), ofrepServer(t, few)
	const one, all = "/shop/ofrep/v1/evaluate/flags/flag-1", "/shop/ofrep/v1/evaluate/flags"
	etag := func(server string) string {
		r, err := http.Post(server+all, "application/json", strings.NewReader(`{"context": {"targetingKey": "5c3d8535-f81a-4478-a6d3-afaa4d51199e", "email": "ada@example.com", "plan": "gold"}}`))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		return r.Header.Get("ETag")
	}
	got := inTurn(t,
		func(t *testing.T) float64 { return perCPU(t, some, one, 200) },
		func(t *testing.T) float64 { return perCPU(t, some, all, 200) },
		func(t *testing.T) float64 { return perCPU(t, some, all, 304, "If-None-Match", etag(some)) },
		func(t *testing.T) float64 { return perCPU(t, many, all, 200) },
	)
	var tab table
	tab.row("one request evaluates", "requests per CPU-second", "evaluations per CPU-second")
	for i, r := range []struct {
		name  string
		flags float64
	}{{"one flag", 1}, {"16 flags", few}, {"16 flags, and nothing has changed (304)", few}, {"100 flags", flags}} {
		m := median(got[i])
		tab.row(r.name, fmt.Sprintf("%.0f", m), fmt.Sprintf("%.0f", m*r.flags))
	}
	write(t, "ofrep", "HTTP/1.1 on loopback, 16 connections. CPU is the server's, which is a process of its own.", tab)
}
