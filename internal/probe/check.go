package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// ErrNoNumber is the error of a query without a number to judge yet: what it asks
// for has not been measured. It is neither a yes nor a no.
var ErrNoNumber = errors.New("there is no number yet")

// AskCheck asks a check's question once and returns nil for a yes. Of t it uses
// the environment and the folder. Errors tell what came back, and of what was
// asked no more than the settings have: what stands in variables may be secret.
func AskCheck(ctx context.Context, c deploy.Check, t Target) error {
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = time.Second
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, tooSlow(timeout))
	defer cancel()
	err := askCheck(ctx, c, t)
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !isAnswer(err) && !errors.Is(err, ErrNoNumber) {
		err = cause
	}
	return fmt.Errorf("%s: %w", c.What(), err)
}

func askCheck(ctx context.Context, c deploy.Check, t Target) error {
	switch {
	case c.HTTP != "":
		_, err := fetch(ctx, deploy.Expand(c.HTTP, t.Env), c.Headers, t.Env)
		return err
	case c.Prometheus != "":
		return askPrometheus(ctx, c, t.Env)
	}
	return askExec(ctx, c.Exec, t)
}

// fetch gets a URL and takes 2xx as a yes. Redirects are not followed: what is
// secret in a header would go along.
func fetch(ctx context.Context, address string, headers map[string]string, env deploy.Environment) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("with its variables, this is no URL")
	}
	req.Header.Set("User-Agent", userAgent)
	for name, value := range headers {
		req.Header.Set(name, deploy.Expand(value, env))
	}
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.DisableKeepAlives = true
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return body, err
	}
	said := fmt.Sprintf("answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	if text := excerpt(body); text != "" {
		said += ": " + text
	}
	return nil, answer{errors.New(strings.TrimSpace(said))}
}

// askPrometheus asks an instant query and compares its number with the bounds
// (Prometheus' HTTP API, GET /api/v1/query).
func askPrometheus(ctx context.Context, c deploy.Check, env deploy.Environment) error {
	address := strings.TrimRight(deploy.Expand(c.Prometheus, env), "/") + "/api/v1/query?query=" + url.QueryEscape(deploy.Expand(c.Query, env))
	body, err := fetch(ctx, address, c.Headers, env)
	if err != nil {
		return err
	}
	n, err := number(body)
	switch {
	case err != nil:
		return err
	case c.Min != nil && n < *c.Min:
		return answer{fmt.Errorf("is %s, below %s", digits(n), digits(*c.Min))}
	case c.Max != nil && n > *c.Max:
		return answer{fmt.Errorf("is %s, above %s", digits(n), digits(*c.Max))}
	}
	return nil
}

func digits(n float64) string { return strconv.FormatFloat(n, 'g', 6, 64) }

// number reads the one number of a query's result.
func number(body []byte) (float64, error) {
	var r struct {
		Status string
		Error  string
		Data   struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&r); err != nil || r.Status == "" {
		return 0, fmt.Errorf("what came back is not of Prometheus: %s", excerpt(body))
	}
	if r.Status != "success" {
		return 0, answer{errors.New(excerpt([]byte(r.Error)))}
	}
	value, err := sampleOf(r.Data.ResultType, r.Data.Result)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return 0, fmt.Errorf("what came back is no number: %s", excerpt([]byte(value)))
	}
	if math.IsNaN(n) {
		return 0, ErrNoNumber
	}
	return n, nil
}

// sampleOf is the value of a result with one.
func sampleOf(kind string, result json.RawMessage) (string, error) {
	var pair [2]any // time, value
	var err error
	switch kind {
	case "scalar":
		err = json.Unmarshal(result, &pair)
	case "vector":
		var all []struct{ Value [2]any }
		if err = json.Unmarshal(result, &all); err != nil {
			break
		}
		if len(all) == 0 {
			return "", ErrNoNumber
		}
		if len(all) > 1 {
			return "", fmt.Errorf("the query gives %d numbers; make one of them, with sum() or max()", len(all))
		}
		pair = all[0].Value
	default:
		return "", fmt.Errorf("the query gives a %s, not a number", kind)
	}
	value, ok := pair[1].(string)
	if err != nil || !ok {
		return "", fmt.Errorf("what came back is not of Prometheus: %s", excerpt(result))
	}
	return value, nil
}
