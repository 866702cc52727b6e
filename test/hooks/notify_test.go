package hooks_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

const (
	secretPath = "/hooks/T0-very-secret"
	key        = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

// A receiver takes what webhooks are told.
type receiver struct {
	t    *testing.T
	addr string

	mu     sync.Mutex
	answer func(n int) int // the status of the n-th message; nil: 200
	came   int
	took   []message // answered with 200
	ids    []string  // of all that came
	server *http.Server
}

// A message is what docs/hooks.md says that it is.
type message struct {
	Type, Text string
	Timestamp  time.Time
	Data       struct {
		Service, Host, Who, Why string
		Rollout                 *deploy.Rollout
	}
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, addr: fmt.Sprint("127.0.0.1:", harness.FreePort(t))}
	t.Cleanup(r.down)
	return r
}

// notify is the section of segue.yaml, and the variables for it.
func (r *receiver) notify(on string) (env, section string) {
	return fmt.Sprintf("CHAT: \"http://%s%s\", KEY: %s", r.addr, secretPath, key),
		"notify: [{ url_env: CHAT, secret_env: KEY" + on + " }]"
}

func (r *receiver) up() {
	r.t.Helper()
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.server = &http.Server{Handler: r}
	go func() { _ = r.server.Serve(l) }() // until it is closed
}

func (r *receiver) down() {
	if r.server != nil {
		_ = r.server.Close() // nobody is owed an answer
	}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	var m message
	if err != nil || req.URL.Path != secretPath || json.Unmarshal(body, &m) != nil {
		r.t.Errorf("%s %s: %s, %v", req.Method, req.URL.Path, body, err)
	}
	id, stamp := req.Header.Get("webhook-id"), req.Header.Get("webhook-timestamp")
	secret, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "whsec_")) // a constant
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); req.Header.Get("webhook-signature") != want {
		r.t.Errorf("signature of %s: %s", body, req.Header.Get("webhook-signature"))
	}
	if at, err := strconv.ParseInt(stamp, 10, 64); err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
		r.t.Errorf("timestamp %q", stamp)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.came++
	r.ids = append(r.ids, id)
	code := 200
	if r.answer != nil {
		code = r.answer(r.came)
	}
	if code == 200 {
		r.took = append(r.took, m)
	}
	w.WriteHeader(code)
}

// types lists what was taken, in its order.
func (r *receiver) types() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, m := range r.took {
		out = append(out, m.Type)
	}
	return out
}

func (r *receiver) last() message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.took[len(r.took)-1]
}

// TestTold: webhooks are told what they want to know, in order, by people's
// words and by JSON; one that refuses a message gets it again, as the same one.
func TestTold(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	r.answer = func(n int) int { return map[bool]int{true: 503, false: 200}[n == 1] }
	r.up()
	env, notify := r.notify("")
	w.Web(2, "N: 2, "+env, notify)
	d := w.Drill(100)
	w.Must(0, "deploy", "--why", "<!channel> faster & better")
	w.Until("both are told", func() bool { return slices.Equal(r.types(), []string{"begin", "done"}) })
	if r.ids[0] != r.ids[1] || r.ids[1] == r.ids[2] {
		t.Errorf("IDs: %v", r.ids)
	}
	m := r.last()
	if !strings.HasPrefix(m.Text, "web: release 2 serves with 2 instances, after ") || !strings.HasSuffix(m.Text, ": &lt;!channel&gt; faster &amp; better)") {
		t.Errorf("text: %s", m.Text)
	}
	if x := m.Data; x.Service != "web" || x.Who == "" || x.Why != "<!channel> faster & better" || x.Rollout == nil || x.Rollout.To != 2 || x.Rollout.Phase != deploy.Done {
		t.Errorf("%+v", m)
	}

	env, notify = r.notify(", on: [rolled back, failed]")
	w.Web(2, "N: 3, EXIT: 1, "+env, notify)
	w.Must(3, "deploy")
	w.Until("it is told", func() bool { return len(r.types()) == 3 })
	if m := r.last(); m.Type != "rolled back" || !strings.Contains(m.Text, "release 2 is back: ") || strings.Contains(m.Text, "\n") || m.Data.Rollout.Reason == "" {
		t.Errorf("%+v", m)
	}
	w.Web(2, "N: 4, "+env, notify+steps)
	w.does("warm", "exit 1")
	w.Must(1, "prepare")
	w.Until("it is told", func() bool { return len(r.types()) == 4 })
	if m := r.last(); m.Type != "failed" || m.Text != "web: prepare: step warm: exit status 1" {
		t.Errorf("%+v", m)
	}
	d.None()
	if ran := w.Must(0, "notify", "test"); !strings.Contains(ran.Out, "$CHAT: has taken it, signed") || r.last().Type != "test" {
		t.Errorf("%s\n%+v", ran, r.last())
	}
}

// TestToldByTheNextAgent: a receiver that is not there delays no rollout, and is
// told later, in order, by whatever agent there is then. Its URL is shown nowhere.
func TestToldByTheNextAgent(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	env, notify := r.notify("")
	d := w.Drill(100)
	w.Web(2, "N: 2, "+env, notify)
	w.Must(0, "deploy")
	w.Web(2, "N: 3, "+env, notify)
	w.Must(0, "deploy")
	w.Until("status tells", func() bool { return len(w.Service("web").Notify) == 1 && w.Service("web").Notify[0].Waiting == 4 })
	if ran := w.Must(1, "notify", "test"); !strings.Contains(ran.Out, "connection refused") {
		t.Error(ran)
	}
	if ran := w.Must(0, "status"); !strings.Contains(ran.Out, "notify: $CHAT is not reached, 4 messages waiting") || strings.Contains(ran.Out, "very-secret") {
		t.Error(ran)
	}
	w.agent.Kill()
	r.up()
	w.agent = w.Agent()
	want := []string{"begin", "done", "begin", "done"}
	w.Until("all are told", func() bool { return slices.Equal(r.types(), want) })
	if r.last().Data.Rollout.To != 3 {
		t.Errorf("%+v", r.last())
	}
	d.None()
	w.Until("status tells no more", func() bool { return len(w.Service("web").Notify) == 0 })
	log, err := os.ReadFile(filepath.Join(filepath.Dir(w.State), "agent.log"))
	if err != nil || !strings.Contains(string(log), "$CHAT") || strings.Contains(string(log), "very-secret") || strings.Contains(string(log), key) {
		t.Errorf("the agent's log tells nothing, or a secret: %v", err)
	}
}

// TestToldThatItWaits: a person who is waited for is told.
func TestToldThatItWaits(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	r.up()
	env, notify := r.notify(", on: waiting")
	w.Web(2, "N: 2, "+env, notify+"\nstrategy: { type: blue-green, promote: manual }")
	d := w.Drill(50)
	over := w.Background("deploy")
	w.Until("it is told", func() bool { return slices.Equal(r.types(), []string{"waiting"}) })
	w.Must(0, "promote")
	if ran := over.Ran(); ran.Code != 0 {
		t.Error(ran)
	}
	d.None()
}

// TestToldOfFreezes: those who want to know are told of a freeze, of who goes
// against it, and of its end.
func TestToldOfFreezes(t *testing.T) {
	w := newWorld(t)
	r := newReceiver(t)
	r.up()
	env, notify := r.notify(", on: freeze")
	w.Web(2, "N: 2, "+env, notify)
	w.Must(0, "deploy")
	w.Must(0, "freeze", "on", "--why", "the audit")
	w.Must(0, "restart", "--now", "--why", "it leaks")
	w.Must(0, "freeze", "off")
	w.Until("all is told", func() bool { return len(r.types()) == 3 })
	for n, want := range []string{"web: frozen: the audit (", "web: restart of release 2 goes against what closes it (", "web: no longer frozen ("} {
		if m := r.took[n]; m.Type != "freeze" || !strings.HasPrefix(m.Text, want) {
			t.Errorf("%+v, want %s", m, want)
		}
	}
}
