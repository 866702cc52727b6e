package kubernetes

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// held is a Lease as the server gives it.
func held(who string, since time.Time) *coordinationv1.Lease {
	at := metav1.NewMicroTime(since)
	return &coordinationv1.Lease{
		TypeMeta:   metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"},
		ObjectMeta: metav1.ObjectMeta{Name: leaseName("shop"), Labels: map[string]string{LabelName: "shop"}, ResourceVersion: "7"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &who, AcquireTime: &at, RenewTime: &at},
	}
}

func TestALeaseWhoseLastAnswerWasLostIsStillOurs(t *testing.T) {
	began := time.Now().Truncate(time.Microsecond)
	stale := errors.New("stale")
	for _, tt := range []struct {
		name string
		now  *coordinationv1.Lease
		want error
	}{
		{"ours, renewed", held("me@here", began), nil},
		{"another's", held("you@there", began), stale},
		{"another of ours", held("me@here", began.Add(time.Second)), stale},
		{"free", held("", began), stale},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if err := json.NewEncoder(w).Encode(tt.now); err != nil {
					t.Error(err)
				}
			}))
			defer server.Close()
			c, err := Open(Place{Kubeconfig: kubeconfig(t, strings.ReplaceAll(twoContexts, "https://one.example:6443", server.URL)), Context: "test"})
			if err != nil {
				t.Fatal(err)
			}
			h := &hold{c: c, lease: held("me@here", began)}
			now, err := h.reread(t.Context(), stale)
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if tt.want == nil && (now == nil || now.ResourceVersion != "7") {
				t.Errorf("have %+v, want the server's Lease", now)
			}
		})
	}
}
