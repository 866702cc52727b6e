package kubernetes

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

const twoContexts = `
apiVersion: v1
kind: Config
clusters:
- {name: one, cluster: {server: "https://one.example:6443"}}
- {name: two, cluster: {server: "https://two.example:6443"}}
users: [{name: me, user: {token: secret-token}}]
contexts:
- {name: prod, context: {cluster: two, user: me, namespace: shops}}
- {name: test, context: {cluster: one, user: me}}
- {name: torn, context: {cluster: gone, user: me}}
`

func kubeconfig(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOpenFindsThePlace(t *testing.T) {
	current := twoContexts + "current-context: prod\n"
	for _, tt := range []struct {
		name, config string
		place        Place
		want         string // context, server, namespace
		err          []string
	}{
		{name: "the current context", config: current, want: "prod https://two.example:6443 shops"},
		{name: "another one", config: current, place: Place{Context: "test"}, want: "test https://one.example:6443 default"},
		{name: "another namespace", config: current, place: Place{Namespace: "mine"}, want: "prod https://two.example:6443 mine"},
		{name: "a context that is not there", config: current, place: Place{Context: "nope"}, err: []string{"has no context nope", "prod, test, torn"}},
		{name: "no current context", config: twoContexts, err: []string{"has no current context", "choose one of prod, test, torn", "kubectl config use-context"}},
		{name: "a context without its cluster", config: current, place: Place{Context: "torn"}, err: []string{"context torn of", "cannot be used"}},
		{name: "no contexts", config: "apiVersion: v1\nkind: Config\n", err: []string{"knows no context"}},
		{name: "not YAML", config: "{", err: []string{"cannot read the kubeconfig"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", "")
			tt.place.Kubeconfig = kubeconfig(t, tt.config)
			c, err := Open(tt.place)
			if tt.err != nil {
				wantError(t, err, tt.err...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Context + " " + c.Server + " " + c.Namespace; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestOpenUsesTheUsersKubeconfigs(t *testing.T) {
	t.Setenv("KUBECONFIG", kubeconfig(t, "apiVersion: v1\nkind: Config\ncurrent-context: test\n")+":"+kubeconfig(t, twoContexts))
	c, err := Open(Place{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Context != "test" {
		t.Errorf("of two files, it has taken the context %s", c.Context)
	}
}

func TestWithoutAClusterOpenSaysHowToComeByOne(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err := Open(Place{})
	wantError(t, err, "no cluster to deploy to", "KUBECONFIG")
}

func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error does not say %q: %v", w, err)
		}
	}
	if strings.Contains(err.Error(), "secret-token") {
		t.Errorf("the error tells the token: %v", err)
	}
}

// at is a Cluster whose server is that of url.
func at(t *testing.T, url string) *Cluster {
	t.Helper()
	c, err := Open(Place{Kubeconfig: kubeconfig(t, `
clusters: [{name: c, cluster: {server: "`+url+`"}}]
users: [{name: me, user: {token: secret-token}}]
contexts: [{name: home, context: {cluster: c, user: me}}]
current-context: home
`)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAServerThatCannotBeReachedIsToldWithTheMend(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	stranger := httptest.NewUnstartedServer(http.NotFoundHandler())
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	defer stranger.Close()
	for _, tt := range []struct {
		name, url string
		words     []string
	}{
		{"nobody there", "https://" + closed.Addr().String(), []string{"connection refused", "is the server of context home", "up, and reachable"}},
		{"a name that nobody knows", "https://cluster.invalid:6443", []string{"cluster.invalid", "context home"}},
		{"a certificate of somebody else", stranger.URL, []string{"certificate", "made anew"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := at(t, tt.url)
			pod := &corev1.Pod{}
			pod.Name = "shop"
			wantError(t, c.Get(t.Context(), pod), append(tt.words, "cannot get Pod shop in namespace default")...)
			_, err := c.Look(t.Context(), "shop")
			wantError(t, err, tt.words...)
		})
	}
}

func TestWhatTheServerRefusesIsToldWithTheMend(t *testing.T) {
	for _, tt := range []struct {
		name   string
		code   int
		status string
		words  []string
	}{
		{
			"a right that is missing", 403,
			`{"reason":"Forbidden","message":"pods \"shop\" is forbidden: User \"me\" cannot get resource \"pods\" in API group \"\" in the namespace \"default\"","details":{"name":"shop","kind":"pods"}}`,
			[]string{`{apiGroups: [""], resources: ["pods"], verbs: ["get"]}`, "Role in namespace default"},
		},
		{"credentials that have ended", 401, `{"reason":"Unauthorized","message":"Unauthorized"}`, []string{"log in again", "context home"}},
		{"a kind that is not there", 404, `{"reason":"NotFound","message":"the server could not find the requested resource","details":{}}`, []string{"older than Kubernetes"}},
		{"admission", 403, `{"reason":"Forbidden","message":"admission webhook \"policy.example\" denied the request: no"}`, []string{"policy.example", "denied the request: no"}},
		{"a proxy in between", 502, `not JSON`, []string{"cannot get Pod shop"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tt.code)
				body := strings.Replace(tt.status, "{", `{"kind":"Status","apiVersion":"v1","status":"Failure",`, 1)
				w.Write([]byte(body))
			}))
			defer srv.Close()
			pod := &corev1.Pod{}
			pod.Name = "shop"
			wantError(t, at(t, srv.URL).Get(t.Context(), pod), tt.words...)
		})
	}
}

// A control plane is replaced while somebody deploys.
func TestAServerThatGoesAwayIsWaitedFor(t *testing.T) {
	var asked int
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if asked++; asked == 2 || asked == 3 {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				conn.Close()
			}
			return
		}
		w.Write([]byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"shop"},"status":{"podIP":"10.0.0.1"}}`))
	}))
	defer srv.Close()
	c := at(t, srv.URL)
	for range 2 {
		pod := &corev1.Pod{}
		pod.Name = "shop"
		if err := c.Get(context.Background(), pod); err != nil || pod.Status.PodIP != "10.0.0.1" {
			t.Fatalf("got %v, %v", pod.Status.PodIP, err)
		}
	}
	if asked < 4 {
		t.Errorf("it was asked %d times, and has hung up on two", asked)
	}
}
