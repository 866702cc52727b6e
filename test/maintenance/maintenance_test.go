// Package maintenance_test holds the promise of `segue maintenance`: while
// writes are refused nothing is written, reads are served without a loss from
// instances of the other environment, and a client that comes again when it is
// told to loses nothing; whatever is killed or replaced in the middle.
package maintenance_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// maintenance is what the agent says of it.
func (s *shop) maintenance() control.Maintenance {
	s.T.Helper()
	if m := s.Service("web").Maintenance; m != nil {
		return *m
	}
	return control.Maintenance{Off: true}
}

// away takes the primary away, as a migration may: whoever reads or writes it
// now gets an error.
func (s *shop) away() (back func()) {
	s.T.Helper()
	if err := os.Rename(s.primary, s.primary+".away"); err != nil {
		s.T.Fatal(err)
	}
	return func() {
		if err := os.Rename(s.primary+".away", s.primary); err != nil {
			s.T.Fatal(err)
		}
	}
}

// TestReadsGoOn: the primary is gone for a while, and no reader and no writer
// loses a request. A restart, a scale and a deploy meanwhile keep the mode.
func TestReadsGoOn(t *testing.T) {
	s := open(t, "")
	d := s.Drill(100)
	x := s.writers(t, 8)
	s.Must(0, "maintenance", "on", "--writes", "--why", "the database moves")
	s.mode("read-only")
	s.secret()
	size := len(s.Read("primary"))
	back := s.away()
	x.refusedMore(30)
	d.More(50)
	s.Must(0, "restart")
	s.Must(0, "scale", "3")
	s.mode("read-only")
	s.settings("stop: { timeout: 8s }")
	s.Must(0, "deploy")
	s.AllServing("web", 2, 2)
	s.mode("read-only")
	if m := s.maintenance(); !m.Writes || m.Why != "the database moves" || m.Doing != "" || m.Failed != "" {
		t.Errorf("status: %+v", m)
	}
	back()
	if n := len(s.Read("primary")); n != size {
		t.Errorf("the primary grew by %d bytes in the quiet", n-size)
	}
	s.Must(0, "maintenance", "off")
	s.mode("")
	x.more(30)
	x.allOnce(s.primary)
	d.None()
	if got := s.Read("replica"); got != "first\n" {
		t.Errorf("the replica was written: %q", got)
	}
	past, err := s.Client().History(t.Context(), "web", 0)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[deploy.Kind]deploy.Phase{}
	for _, r := range past {
		kinds[r.Kind] = r.Phase
	}
	if kinds[deploy.KindMaintenance] != deploy.Reopened || kinds[deploy.KindMode] != deploy.Done {
		t.Errorf("the history tells of %v", kinds)
	}
}

// secret fails the test if what maintenance.env says stands where others than the
// owner can read it, or in the journal.
func (s *shop) secret() {
	s.T.Helper()
	info, err := os.Stat(filepath.Join(s.State, "env", "web", "1.read-only.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		s.T.Errorf("maintenance.env is kept as %v (%v)", info, err)
	}
	for _, name := range []string{"segue.db", "segue.db-wal", "maintenance/web.json"} {
		data, err := os.ReadFile(filepath.Join(s.State, name))
		if err != nil || bytes.Contains(data, []byte(s.replica)) {
			s.T.Errorf("%s has a value of maintenance.env, or cannot be read (%v)", name, err)
		}
	}
}

// TestHeld: a short work is only felt as a pause.
func TestHeld(t *testing.T) {
	s := open(t, "")
	d := s.Drill(50)
	x := s.writers(t, 8)
	s.Must(0, "maintenance", "on", "--writes", "--hold", "45s")
	s.Until("writers are held", func() bool { return s.Service("web").Held == 8 })
	back := s.away()
	d.More(50)
	back()
	s.Must(0, "maintenance", "off")
	x.more(30)
	x.allOnce(s.primary)
	if n := x.refused.Load(); n > 0 {
		t.Errorf("%d writes were refused, though they could be held", n)
	}
	d.None()
}

// TestKilled: agent, proxy and instances are killed, and the proxy replaced.
// The mode holds.
func TestKilled(t *testing.T) {
	s := open(t, "")
	on := make(chan harness.Ran)
	go func() { on <- s.Run("maintenance", "on", "--writes") }()
	s.Until("the instances are being replaced", func() bool {
		r := s.Service("web").Rollout
		return r != nil && r.Kind == deploy.KindMode
	})
	s.agent.Kill()
	s.agent = s.Agent()
	if r := <-on; r.Code != 0 {
		t.Errorf("the command did not find the next agent: %s", r)
	}
	s.mode("read-only")
	defer s.away()()
	refused := func(when string) {
		t.Helper()
		if res := s.post(t); res.StatusCode != 503 || res.Header.Get("Segue-Error") != "maintenance" {
			t.Errorf("%s, a write got %s (%s)", when, res.Status, res.Header.Get("Segue-Error"))
		}
	}
	refused("after the agent's end")
	old := s.Status().Proxy.PID
	kill(t, old)
	s.Until("there is another proxy", func() bool { st := s.Status().Proxy; return st.PID != old && st.Version != "" })
	refused("after the proxy's end")
	d := s.Drill(50)
	s.Must(0, "upgrade")
	refused("after an upgrade")
	d.None()
	i := s.Service("web").Instances[0]
	kill(t, i.PID)
	s.Until("another instance serves", func() bool {
		n := 0
		for _, j := range s.Service("web").Instances {
			if j.State == deploy.Serving && j.ID != i.ID {
				n++
			}
		}
		return n == 2
	})
	s.mode("read-only")
}

// TestOffCutShort: an agent that dies while maintenance ends leaves the end to
// the next one.
func TestOffCutShort(t *testing.T) {
	s := open(t, "")
	d := s.Drill(50)
	s.Must(0, "maintenance", "on", "--writes")
	if _, err := s.Client().Maintain(t.Context(), control.MaintenanceRequest{Service: "web", Off: true, Who: "test"}); err != nil {
		t.Fatal(err)
	}
	s.agent.Kill()
	s.Agent()
	s.Until("maintenance is over", func() bool { return s.maintenance().Off })
	s.mode("")
	if res := s.post(t); res.StatusCode != 200 {
		t.Errorf("a write got %s", res.Status)
	}
	d.None()
}

// TestReplicaDown: where the instances for reads cannot start, writes are
// refused all the same, reads are served as before, and the command says so.
func TestReplicaDown(t *testing.T) {
	s := open(t, "")
	d := s.Drill(50)
	if err := os.Remove(s.replica); err != nil {
		t.Fatal(err)
	}
	r := s.Must(1, "maintenance", "on", "--writes")
	if !strings.Contains(r.Err, "did not take over") || !strings.Contains(r.Err, "writes are refused all the same") {
		t.Errorf("it says %s", r)
	}
	if m := s.maintenance(); m.Failed == "" {
		t.Errorf("status: %+v", m)
	}
	if res := s.post(t); res.StatusCode != 503 {
		t.Errorf("a write got %s", res.Status)
	}
	s.mode("")
	s.Write("replica", "first\n")
	s.Must(0, "maintenance", "on", "--writes")
	s.mode("read-only")
	s.Must(0, "maintenance", "off")
	d.None()
}

// TestOffForAll: nobody is served, programs and people are told why, and it ends
// at its time though the agent does not live to see it.
func TestOffForAll(t *testing.T) {
	s := open(t, "")
	s.Write("sorry.html", "<!doctype html><title>sorry</title><p>Gone fishing.")
	s.Must(0, "maintenance", "on", "--page", "sorry.html", "--why", "spring cleaning", "--retry-after", "7s")
	s.mode("")
	res := ask(t, "GET", s.URL(), "text/html")
	if page := body(t, res); res.StatusCode != 503 || !strings.Contains(page, "Gone fishing.") || res.Header.Get("Refresh") == "" {
		t.Errorf("people see %s, %v, %q", res.Status, res.Header, page)
	}
	res = ask(t, "GET", s.URL(), "")
	var told struct{ Title, Detail, Error string }
	if err := json.Unmarshal([]byte(body(t, res)), &told); err != nil || told.Error != "maintenance" || !strings.Contains(told.Detail, "spring cleaning") ||
		res.Header.Get("Content-Type") != "application/problem+json" || res.Header.Get("Retry-After") != "7" {
		t.Errorf("programs see %s, %v, %+v, %v", res.Status, res.Header, told, err)
	}
	s.Must(0, "maintenance", "on", "--for", "1s")
	s.agent.Kill()
	s.Until("it is over", func() bool { return ask(t, "GET", s.URL(), "").StatusCode == 200 })
	s.Agent()
	s.Until("it is written down", func() bool { return s.maintenance().Off })
	past, err := s.Client().History(t.Context(), "web", 1)
	if err != nil || len(past) != 1 || past[0].Kind != deploy.KindMaintenance || past[0].Phase != deploy.RanOut || past[0].Why != "spring cleaning" {
		t.Errorf("history: %+v, %v", past, err)
	}
}

// TestTimeIsOver: at its end the instances for writes are brought back first.
func TestTimeIsOver(t *testing.T) {
	s := open(t, "")
	x := s.writers(t, 4)
	s.Must(0, "maintenance", "on", "--writes")
	s.mode("read-only")
	if _, err := s.Client().Maintain(t.Context(), control.MaintenanceRequest{Service: "web", Writes: true, For: time.Second, Who: "test"}); err != nil {
		t.Fatal(err)
	}
	s.Until("it is over", func() bool { return s.maintenance().Off })
	s.mode("")
	x.more(20)
	x.allOnce(s.primary)
}

func (s *shop) post(t *testing.T) *http.Response {
	t.Helper()
	res, err := http.Post(s.URL(), "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	body(t, res)
	return res
}

func ask(t *testing.T, method, url, accept string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func kill(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}
