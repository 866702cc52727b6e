package probe

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// checkServer answers as Prometheus does to the query named by the test, and by
// status to other paths.
func checkServer(t *testing.T, answers map[string]string) *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hunter2" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/base/api/v1/query":
			fmt.Fprint(w, answers[r.FormValue("query")])
		case "/moved":
			http.Redirect(w, r, "/200", http.StatusFound)
		default:
			var status int
			fmt.Sscanf(r.URL.Path, "/%d", &status)
			w.WriteHeader(status)
			fmt.Fprint(w, "not\nwell")
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestAskCheck(t *testing.T) {
	const vector = `{"status":"success","data":{"resultType":"vector","result":[%s]}}`
	const sample = `{"metric":{"job":"a"},"value":[1700000000.1,"%s"]}`
	srv := checkServer(t, map[string]string{
		"one":        fmt.Sprintf(vector, fmt.Sprintf(sample, "0.25")),
		"release 7":  fmt.Sprintf(vector, fmt.Sprintf(sample, "0.25")),
		"two":        fmt.Sprintf(vector, fmt.Sprintf(sample, "1")+","+fmt.Sprintf(sample, "2")),
		"none":       fmt.Sprintf(vector, ""),
		"0/0":        fmt.Sprintf(vector, fmt.Sprintf(sample, "NaN")),
		"1/0":        fmt.Sprintf(vector, fmt.Sprintf(sample, "+Inf")),
		"scalar":     `{"status":"success","data":{"resultType":"scalar","result":[1700000000,"3"]}}`,
		"matrix":     `{"status":"success","data":{"resultType":"matrix","result":[]}}`,
		"wrong":      `{"status":"error","errorType":"bad_data","error":"parse error: unexpected end"}`,
		"web page":   `<html>`,
		"half":       `{"status":"success","data":{"resultType":"vector","result":[{"value":[1]}]}}`,
		"no numbers": fmt.Sprintf(vector, fmt.Sprintf(sample, "many")),
	})
	env := deploy.Environment{"PATH": "/usr/bin:/bin", "TOKEN": "hunter2", "RELEASE": "7"}
	auth := map[string]string{"Authorization": "Bearer $TOKEN"}
	page := func(path string) deploy.Check {
		return deploy.Check{HTTP: srv.URL + path + "?key=${TOKEN}", Headers: auth}
	}
	query := func(q string, min, max float64) deploy.Check {
		return deploy.Check{Prometheus: srv.URL + "/base/", Query: q, Min: &min, Max: &max, Headers: auth}
	}
	for name, c := range map[string]struct {
		check deploy.Check
		want  string // of the error; "" for a yes
	}{
		"page":            {page("/204"), ""},
		"page says no":    {page("/503"), "answered 503 Service Unavailable: not well"},
		"a redirect":      {page("/moved"), "answered 302"},
		"unknown":         {deploy.Check{HTTP: srv.URL + "/200"}, "answered 401 Unauthorized: who are you"},
		"nobody there":    {deploy.Check{HTTP: "http://127.0.0.1:1/?key=$TOKEN"}, "connection refused"},
		"no URL":          {deploy.Check{HTTP: "http://$TOKEN\x7f/"}, "this is no URL"},
		"command":         {deploy.Check{Exec: []string{"test", "$RELEASE", "=", "7"}}, ""},
		"command says no": {deploy.Check{Exec: []string{"sh", "-c", "echo alas; exit 2"}}, "exit status 2: alas"},
		"too slow":        {deploy.Check{Exec: []string{"sleep", "60"}, Timeout: 50 * time.Millisecond}, "no answer within 50ms"},
		"within":          {query("one", 0.25, 0.25), ""},
		"with a variable": {query("release $RELEASE", 0, 1), ""},
		"below":           {query("one", 0.5, 1), "is 0.25, below 0.5"},
		"above":           {query("one", 0, 0.2), "is 0.25, above 0.2"},
		"infinite":        {query("1/0", 0, 0.2), "is +Inf, above 0.2"},
		"scalar":          {query("scalar", 3, 3), ""},
		"several":         {query("two", 0, 9), "gives 2 numbers"},
		"none yet":        {query("none", 0, 9), ErrNoNumber.Error()},
		"of nothing":      {query("0/0", 0, 9), ErrNoNumber.Error()},
		"a matrix":        {query("matrix", 0, 9), "gives a matrix"},
		"bad PromQL":      {query("wrong", 0, 9), "parse error: unexpected end"},
		"not Prometheus":  {query("web page", 0, 9), "not of Prometheus: <html>"},
		"half an answer":  {query("half", 0, 9), "not of Prometheus"},
		"no number":       {query("no numbers", 0, 9), "is no number: many"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.check.Timeout == 0 {
				c.check.Timeout = 10 * time.Second
			}
			err := AskCheck(t.Context(), c.check, Target{Env: env, Dir: t.TempDir()})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret is told: %v", err)
			}
			if is := errors.Is(err, ErrNoNumber); is != (c.want == ErrNoNumber.Error()) {
				t.Errorf("ErrNoNumber: %t", is)
			}
		})
	}
}

func FuzzNumber(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"2"]}]}}`))
	f.Add([]byte(`{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if n, err := number(body); err == nil && n != n {
			t.Error("not a number, and no error")
		}
	})
}
