package ecs

import (
	"context"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/ecs/ecstest"
)

// world is a cluster behind a server of ours, and what was shown.
type world struct {
	t       *testing.T
	cluster *Cluster
	server  *ecstest.Server
	shown   []Event
}

// pointAt points the SDK at a server of ours, and at nothing else on this machine.
func pointAt(t *testing.T, url string) {
	t.Helper()
	for k, v := range map[string]string{
		"AWS_ENDPOINT_URL_ECS": url, "AWS_REGION": ecstest.Region, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example",
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"),
	} {
		t.Setenv(k, v)
	}
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, server: &ecstest.Server{}}
	http := httptest.NewServer(w.server)
	t.Cleanup(http.Close)
	pointAt(t, http.URL)
	c, err := Open(t.Context(), Place{})
	if err != nil {
		t.Fatal(err)
	}
	c.every = time.Millisecond
	w.cluster = c
	return w
}

func (w *world) show(e Event) { w.shown = append(w.shown, e) }

// told reports whether an event of the kind has the words.
func (w *world) told(k EventKind, words string) bool {
	for _, e := range w.shown {
		if e.Kind == k && strings.Contains(e.Text, words) {
			return true
		}
	}
	return false
}

// deploy deploys the shop with an image of its own.
func (w *world) deploy(image string, change ...func(*deploy.Service)) (deploy.Rollout, error) {
	w.t.Helper()
	spec := shop()
	for _, c := range change {
		c(spec)
	}
	return w.cluster.Deploy(w.t.Context(), Order{Spec: *spec, Image: image, Who: "ann@host", Why: "faster <search>",
		Env: deploy.Environment{"TOKEN": "hush", "DATABASE_URL": "hush"}}, w.show)
}

func (w *world) must(r deploy.Rollout, err error) deploy.Rollout {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestDeployMakesAServiceAndThenChangesIt(t *testing.T) {
	w := newWorld(t)
	if r := w.must(w.deploy("shop:1")); r.Phase != deploy.Done || r.From != 0 || r.To != 1 {
		t.Errorf("the first deploy ended as %+v", r)
	}
	if r := w.must(w.deploy("shop:2")); r.Phase != deploy.Done || r.From != 1 || r.To != 2 {
		t.Errorf("the second deploy ended as %+v", r)
	}
	if n, m := len(w.server.Calls("CreateService")), len(w.server.Calls("UpdateService")); n != 1 || m != 1 {
		t.Errorf("CreateService was called %d times, UpdateService %d times", n, m)
	}
	if !w.told(EventTold, "steady state") {
		t.Errorf("ECS' own words were not shown: %v", w.shown)
	}
	_, tags, err := w.cluster.definition(t.Context(), "shop:2")
	if err != nil || tags[tagWho] != "ann@host" || tags[tagWhy] != "faster _search_" {
		t.Errorf("the release's tags are %v, %v", tags, err)
	}
}

func TestDeployOfTheSameDoesNothing(t *testing.T) {
	w := newWorld(t)
	w.must(w.deploy("shop:1"))
	if _, err := w.deploy("shop:1"); !errors.Is(err, ErrNothing) {
		t.Errorf("the second deploy: %v", err)
	}
	if n := len(w.server.Calls("RegisterTaskDefinition")); n != 1 {
		t.Errorf("%d revisions were registered", n)
	}
	if r := w.must(w.deploy("shop:1", func(s *deploy.Service) { s.Replicas = 5 })); r.Kind != deploy.KindScale || r.Replicas != 5 {
		t.Errorf("a deploy of more tasks ended as %+v", r)
	}
	if n := len(w.server.Calls("RegisterTaskDefinition")); n != 1 {
		t.Errorf("%d revisions were registered for another number of tasks", n)
	}
}

func TestABadReleaseIsUndoneAndExplained(t *testing.T) {
	w := newWorld(t)
	w.must(w.deploy("shop:1"))
	w.server.Spoil(2, "Essential container in task exited", 1)
	r := w.must(w.deploy("shop:2"))
	if r.Phase != deploy.RolledBack || !strings.Contains(r.Reason, "circuit breaker") {
		t.Errorf("it ended as %+v", r)
	}
	if !w.told(EventTask, "Essential container in task exited; exit code 1") {
		t.Errorf("nobody was told why: %v", w.shown)
	}
	if st, err := w.cluster.Status(t.Context(), "shop"); err != nil || st.Release != 1 {
		t.Errorf("then release %d serves, %v", st.Release, err)
	}
}

// The first release has nothing before it: ECS gives up, and says so.
func TestABadFirstReleaseIsAnError(t *testing.T) {
	w := newWorld(t)
	w.server.Spoil(1, "CannotPullContainerError: no such host", 0)
	_, err := w.deploy("shop:1")
	if err == nil || !strings.Contains(err.Error(), "has given the deployment up") {
		t.Errorf("it ended as %v", err)
	}
	if !w.told(EventTask, "the image is not there") {
		t.Errorf("nobody was told why: %v", w.shown)
	}
}

func TestRollbackGoesToTheReleaseBefore(t *testing.T) {
	w := newWorld(t)
	w.must(w.deploy("shop:1"))
	w.must(w.deploy("shop:2"))
	r := w.must(w.cluster.Rollback(t.Context(), Request{Service: "shop"}, w.show))
	if r.To != 1 || r.Phase != deploy.Done {
		t.Errorf("it ended as %+v", r)
	}
	if _, err := w.cluster.Rollback(t.Context(), Request{Service: "shop", Release: 9}, w.show); err == nil {
		t.Error("a release that is not there was gone back to")
	}
	if _, err := w.cluster.Rollback(t.Context(), Request{Service: "shop", Release: 1}, w.show); !errors.Is(err, ErrNothing) {
		t.Errorf("a rollback to what serves: %v", err)
	}
}

func TestRollbackUndoesWhatIsUnderWay(t *testing.T) {
	w := newWorld(t)
	w.must(w.deploy("shop:1"))
	done := w.waiting("shop:2")
	r := w.must(w.cluster.Rollback(t.Context(), Request{Service: "shop"}, func(Event) {}))
	if r.Phase != deploy.RolledBack {
		t.Errorf("the rollback ended as %+v", r)
	}
	if r := <-done; r.Phase != deploy.RolledBack {
		t.Errorf("the deploy ended as %+v", r)
	}
}

func TestABlueGreenDeployWaitsForPromote(t *testing.T) {
	w := newWorld(t)
	w.must(w.deploy("shop:1"))
	done := w.waiting("shop:2")
	if _, err := w.deploy("shop:3"); !errors.As(err, new(*BusyError)) {
		t.Errorf("another deploy meanwhile: %v", err)
	}
	if err := w.cluster.Promote(t.Context(), Request{Service: "shop"}); err != nil {
		t.Fatal(err)
	}
	if r := <-done; r.Phase != deploy.Done {
		t.Errorf("it ended as %+v", r)
	}
	if err := w.cluster.Promote(t.Context(), Request{Service: "shop"}); err == nil {
		t.Error("what had ended was promoted")
	}
}

// waiting begins a blue-green deploy that stands at its pause when it returns.
func (w *world) waiting(image string) <-chan deploy.Rollout {
	at := make(chan struct{})
	done := make(chan deploy.Rollout, 1)
	spec := *services["blue-green"]
	go func() {
		r, err := w.cluster.Deploy(w.t.Context(), Order{Spec: spec, Image: image, Who: "ann"}, func(e Event) {
			if e.Kind == EventWaits {
				close(at)
			}
		})
		if err != nil {
			w.t.Error(err)
		}
		done <- r
	}()
	<-at
	return done
}

func TestDeployThatIsCalledOffLeavesECSAtWork(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	spec := *services["blue-green"]
	_, err := w.cluster.Deploy(ctx, Order{Spec: spec, Who: "ann"}, func(e Event) {
		if e.Kind == EventWaits {
			cancel()
		}
	})
	if !errors.Is(err, ErrLeft) {
		t.Errorf("it ended as %v", err)
	}
	if n := len(w.server.Calls("StopServiceDeployment")); n != 0 {
		t.Error("the deployment was stopped")
	}
}

func TestScaleRestartAndDown(t *testing.T) {
	w := newWorld(t)
	w.must(w.deploy("shop:1"))
	if r := w.must(w.cluster.Scale(t.Context(), Request{Service: "shop", Replicas: 7}, w.show)); r.Before != 3 || r.Replicas != 7 {
		t.Errorf("scale ended as %+v", r)
	}
	if st, _ := w.cluster.Status(t.Context(), "shop"); st.Running != 7 {
		t.Errorf("%d tasks run", st.Running)
	}
	if r := w.must(w.cluster.Restart(t.Context(), Request{Service: "shop"}, w.show)); r.From != 1 || r.To != 1 {
		t.Errorf("restart ended as %+v", r)
	}
	w.must(w.cluster.Down(t.Context(), Request{Service: "shop"}, w.show))
	if st, err := w.cluster.Status(t.Context(), "shop"); err != nil || st.Release != 0 {
		t.Errorf("it is still there: %+v, %v", st, err)
	}
	if _, err := w.cluster.Restart(t.Context(), Request{Service: "shop"}, w.show); err == nil || !strings.Contains(err.Error(), "segue deploy") {
		t.Errorf("restart of a service that is down: %v", err)
	}
}

func TestHistoryAndReleasesTellWhoAndWhy(t *testing.T) {
	w := newWorld(t)
	w.must(w.deploy("shop:1"))
	w.server.Spoil(2, "Essential container in task exited", 1)
	w.must(w.deploy("shop:2"))
	h, err := w.cluster.History(t.Context(), "shop", 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(h) != 2 || h[0].To != 2 || h[0].From != 1 || h[0].Phase != deploy.RolledBack || h[1].Phase != deploy.Done || h[1].Who != "ann@host" {
		t.Errorf("the history is %+v", h)
	}
	rs, err := w.cluster.Releases(t.Context(), "shop", 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) != 2 || rs[0].Number != 2 || rs[0].Serving || !rs[1].Serving || rs[1].Image != "shop:1" {
		t.Errorf("the releases are %+v", rs)
	}
}

func TestNoValueOfTheEnvironmentIsSent(t *testing.T) {
	w := newWorld(t)
	w.must(w.deploy("shop:1"))
	for _, c := range w.server.Calls("") {
		if strings.Contains(toText(t, c.Input), "hush") {
			t.Errorf("%s has a secret", c.Action)
		}
	}
}

func toText(t *testing.T, v any) string {
	b, err := indented(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWhatAWSRefusesIsExplained(t *testing.T) {
	for _, test := range []struct{ action, code, words string }{
		{"RegisterTaskDefinition", "AccessDeniedException", "ecs:RegisterTaskDefinition on shop"},
		{"DescribeServices", "ClusterNotFoundException", "aws ecs create-cluster"},
		{"UpdateService", "ServiceNotActiveException", "being deleted"},
		{"ListServiceDeployments", "ExpiredTokenException", "aws sso login"},
	} {
		t.Run(test.code, func(t *testing.T) {
			w := newWorld(t)
			w.must(w.deploy("shop:1"))
			w.server.Refuse(test.action, test.code, "as AWS says it")
			_, err := w.deploy("shop:2")
			var refused *APIError
			if !errors.As(err, &refused) || refused.Code != test.code || !strings.Contains(err.Error(), test.words) || !strings.Contains(err.Error(), "as AWS says it") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestOpenTellsHowToGiveWhatIsMissing(t *testing.T) {
	pointAt(t, "http://127.0.0.1:1")
	t.Setenv("AWS_REGION", "")
	if _, err := Open(t.Context(), Place{}); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("without a region: %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	if _, err := Open(t.Context(), Place{Region: "eu-central-1"}); err == nil || !strings.Contains(err.Error(), "aws sso login") {
		t.Errorf("without credentials: %v", err)
	}
}
