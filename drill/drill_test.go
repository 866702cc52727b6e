package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRightServerLosesNothing is the drill's drill: with a server that does
// everything right, tens of thousands of requests in all modes are all
// received, once each, and none is counted as lost.
func TestRightServerLosesNothing(t *testing.T) {
	total, rate := int64(50_000), int64(3000)
	if raceDetector {
		total, rate = 5_000, 500
	}
	if testing.Short() {
		total /= 10
	}
	var l ledger
	p := Plan{
		URL: goServer(t, counting(&l)), Mix: Mix{0.2, 0.4, 0.4}, Rate: float64(rate),
		Duration: time.Duration(total) * time.Second / time.Duration(rate),
		Timeout:  time.Minute, MaxInFlight: 4000, // a slow machine is not the point here
	}
	p.Expect.BodyEquals = []byte("ok")
	r := run(t, p)
	checkGoroutines(t)
	want(t, r, "", 0, total)
	l.agrees(t, r, total)
	shares := []int64{r.ByMode[Fresh].Sent, r.ByMode[KeptAlive].Sent, r.ByMode[HTTP2].Sent}
	if !reflect.DeepEqual(shares, []int64{total / 5, total * 2 / 5, total * 2 / 5}) {
		t.Errorf("shares %v", shares)
	}
	if r.ByRelease["7"] != total || !r.Verdict().Pass {
		t.Errorf("releases %v, verdict %v", r.ByRelease, r.Verdict())
	}
	t.Logf("%v; latency %+v; late %+v; cpu %v", r.Verdict(), r.Latency, r.Lateness, r.Environment.CPU)
}

func TestExpectations(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Kind", "tea")
		w.Write([]byte("release: v2\nhello world"))
	})
	url := goServer(t, h)
	tests := []struct {
		name  string
		e     Expect
		class Class
	}{
		{"contains", Expect{BodyContains: "hello"}, ""},
		{"contains not", Expect{BodyContains: "bye"}, WrongBody},
		{"matches", Expect{BodyMatches: regexp.MustCompile(`w.rld$`)}, ""},
		{"matches not", Expect{BodyMatches: regexp.MustCompile(`^hello`)}, WrongBody},
		{"equals not", Expect{BodyEquals: []byte("release: v2\nhello worl")}, WrongBody},
		{"hash not", Expect{BodySHA256: strings.Repeat("00", 32)}, WrongBody},
		{"hash", Expect{BodySHA256: "9EC3D57528BC67C4828E630BE428621DC23013C8A54945E2D051FB4B544549D0"}, ""},
		{"header", Expect{Header: http.Header{"x-kind": {"tea"}}}, ""},
		{"header is there", Expect{Header: http.Header{"X-Kind": {""}}}, ""},
		{"header differs", Expect{Header: http.Header{"X-Kind": {"coffee"}}}, WrongHeader},
		{"header missing", Expect{Header: http.Header{"X-Sort": nil}}, WrongHeader},
		{"status not", Expect{Status: StatusSet{{201, 299}}}, UnexpectedStatus},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := few(url, Mix{1, 1, 2})
			p.Expect, p.ReleaseFromBody = tt.e, regexp.MustCompile(`release: (\w+)`)
			r := run(t, p)
			if tt.class != "" {
				want(t, r, tt.class, fewRequests, 0)
				return
			}
			want(t, r, "", 0, fewRequests)
			if r.ByRelease["v2"] != fewRequests {
				t.Errorf("releases %v", r.ByRelease)
			}
		})
	}
}

func TestTargetsKeepTheirShares(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	url := goServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Method+r.URL.RequestURI()+r.Proto+r.Header.Get("X-A")+r.Host]++
	}))
	p := few("", Mix{1, 0, 1})
	p.Header = http.Header{"X-A": {"1"}, "Host": {"shop.example"}}
	p.Targets = []Target{{URL: url + "/a?b=c", Weight: 3}, {URL: url, Method: "PUT", Body: []byte("x"), Header: http.Header{"X-A": {"2"}}}}
	want(t, run(t, p), "", 0, fewRequests)
	expect := map[string]int{
		"GET/a?b=cHTTP/1.11shop.example": 15, "GET/a?b=cHTTP/2.01shop.example": 15,
		"PUT/HTTP/1.12shop.example": 5, "PUT/HTTP/2.02shop.example": 5,
	}
	if !reflect.DeepEqual(seen, expect) {
		t.Errorf("seen %v", seen)
	}
}

// TestStallIsSeen: a server that stalls once slows all that was due meanwhile,
// and the percentiles say so (no coordinated omission).
func TestStallIsSeen(t *testing.T) {
	var n atomic.Int64
	free := make(chan struct{})
	url := goServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch k := n.Add(1); {
		case k == 100:
			close(free)
		case k > 20 && k < 100:
			<-free
		}
	}))
	p := Plan{URL: url, Rate: 200, Duration: time.Second, Mix: Mix{1, 1, 1}}
	r := run(t, p)
	want(t, r, "", 0, 200)
	// 80 of 200 waited, evenly spread over 0 to 400 ms.
	if r.Latency.P90 < 200*time.Millisecond || r.Latency.P50 > 100*time.Millisecond {
		t.Errorf("latency %+v", r.Latency)
	}
}

func TestAround(t *testing.T) {
	var l ledger
	p := few(goServer(t, counting(&l)), Mix{})
	failed := errors.New("exit status 1")
	var last Snapshot
	r, err := Around(context.Background(), p, 100*time.Millisecond, 100*time.Millisecond, func(_ context.Context, mark func(string)) error {
		mark("starting b1")
		time.Sleep(100 * time.Millisecond)
		return failed
	}, Progress(10*time.Millisecond, func(s Snapshot) { last = s }))
	if err != failed {
		t.Fatalf("the command's error is lost: %v", err)
	}
	checkSums(t, r)
	checkGoroutines(t)
	l.agrees(t, r, r.Sent)
	var names []string
	var sum Count
	for _, ph := range r.Phases {
		names, sum = append(names, ph.Name), plus(sum, ph.Count)
		if ph.Sent < 15 || ph.Latency.P50 == 0 || ph.End <= ph.Start {
			t.Errorf("phase %+v", ph)
		}
	}
	if !reflect.DeepEqual(names, []string{"before", "during", "after"}) || sum != r.Count {
		t.Errorf("phases %v sum up to %+v of %+v", names, sum, r.Count)
	}
	if len(r.Marks) != 3 || r.Marks[1].Label != "starting b1" || r.Marks[2].Label != "command failed" {
		t.Errorf("marks %v", r.Marks)
	}
	if last.Count != r.Count || last.InFlight != 0 || last.Phase != "after" {
		t.Errorf("last snapshot %+v", last)
	}
}

func TestAroundCalledOff(t *testing.T) {
	var l ledger
	ctx, cancel := context.WithCancel(context.Background())
	p := few(goServer(t, counting(&l)), Mix{})
	r, err := Around(ctx, p, time.Hour, time.Hour, func(context.Context, func(string)) error {
		t.Error("the command was run")
		return nil
	}, OnStart(func(*Drill) { cancel() }))
	if !errors.Is(err, context.Canceled) || r == nil {
		t.Errorf("result %v, error %v", r, err)
	}
}

func TestContextEndsTheSendingOnly(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	arrived, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var l ledger
	p := Plan{Rate: 100, Mix: Mix{1, 1, 1}, URL: goServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(arrived) })
		<-release
		counting(&l).ServeHTTP(w, r)
	}))}
	go func() {
		<-arrived
		cancel()
		close(release)
	}()
	r, err := Run(ctx, p)
	if err != nil || r.Sent == 0 || r.Lost != 0 || r.Sent > 20 {
		t.Fatalf("%v, %+v", err, r.Count)
	}
	checkSums(t, r)
	l.agrees(t, r, r.Sent)
}

func TestRunOnce(t *testing.T) {
	d, err := New(few(goServer(t, http.NotFoundHandler()), Mix{}))
	if err != nil {
		t.Fatal(err)
	}
	d.Mark("before the start")
	d.Stop()
	r, err := d.Run(context.Background())
	if err != nil || r.Sent != 0 || r.Verdict().Pass {
		t.Errorf("%v %+v", err, r)
	}
	if _, err := d.Run(context.Background()); err == nil {
		t.Error("a second Run must fail")
	}
}

func TestPlanErrors(t *testing.T) {
	ok := "http://127.0.0.1/"
	for name, p := range map[string]Plan{
		"URL":        {},
		"scheme":     {URL: "ftp://x/"},
		"host":       {URL: "http:///x"},
		"password":   {URL: "http://u:hunter2@h:bad/"},
		"rate":       {URL: ok, Rate: -1},
		"duration":   {URL: ok, Duration: -1},
		"timeout":    {URL: ok, Timeout: -1},
		"in flight":  {URL: ok, MaxInFlight: -1},
		"mix":        {URL: ok, Mix: Mix{Fresh: -1}},
		"method":     {URL: ok, Method: "GET /"},
		"header":     {URL: ok, Header: http.Header{"A\nB": {"x"}}},
		"value":      {URL: ok, Header: http.Header{"A": {"hunter2\r\n"}}},
		"own header": {URL: ok, Header: http.Header{"connection": {"close"}}},
		"hash":       {URL: ok, Expect: Expect{BodySHA256: "12"}},
		"status":     {URL: ok, Expect: Expect{Status: StatusSet{{9, 8}}}},
		"weight":     {Targets: []Target{{URL: ok, Weight: -1}}},
	} {
		_, err := New(p)
		if err == nil || !strings.HasPrefix(err.Error(), "drill: ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestSecretsStayOut: nothing secret of the plan is in any form of the result.
func TestSecretsStayOut(t *testing.T) {
	var l ledger
	url := goServer(t, counting(&l))
	p := few(strings.Replace(url, "//", "//ann:hunter2@", 1), Mix{1, 1, 2})
	p.URL += "?token=hunter2&page=3"
	p.Method, p.Body = "POST", []byte("hunter2")
	p.Header = http.Header{"Authorization": {"Bearer hunter2"}, "Cookie": {"hunter2"}, "X-Any": {"hunter2"}}
	p.Expect = Expect{BodyContains: "hunter2", Header: http.Header{"X-Any": {"hunter2"}}}
	r := run(t, p)
	want(t, r, WrongHeader, fewRequests, 0)
	for name, write := range map[string]func(*bytes.Buffer) error{
		"text": func(b *bytes.Buffer) error { return r.WriteText(b) },
		"JSON": func(b *bytes.Buffer) error { return r.WriteJSON(b) },
		"HTML": func(b *bytes.Buffer) error { return r.WriteHTML(b) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "hunter2") || strings.Contains(b.String(), "ann:") {
			t.Errorf("the %s holds a secret", name)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	r := sample(2)
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	back, err := ReadJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	one, _ := json.Marshal(r)
	two, _ := json.Marshal(back)
	if !bytes.Equal(one, two) {
		t.Error("a result is not the same when read back")
	}
}
