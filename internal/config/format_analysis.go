package config

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// judgement is what a strategy asks of a new release beside its probes.
type judgement struct {
	Analysis *analysis `json:"analysis,omitempty" jsonschema:"Compares what the new release answers with what the old one answers in the same minutes, from the proxy's own counts, and undoes the rollout when the new one is worse beyond chance and beyond what is tolerated. {} takes the defaults. Absent: nothing is compared."`
	Checks   []check   `json:"checks,omitempty" jsonschema:"Questions about the whole service, asked while the rollout waits. Each must have been answered yes once before it goes on; one that is answered no undoes it."`
}

type analysis struct {
	Requests count      `json:"requests,omitempty" default:"100" min:"1" max:"1000000" jsonschema:"So many requests the new release must have answered in a stage before the rollout goes on. Fewer neither promote nor condemn it."`
	Errors   percentage `json:"errors,omitempty" default:"1%" jsonschema:"Share of the requests that may fail (status 500 or above, no answer, or not the whole of it) beyond the old release's share."`
	Latency  number     `json:"latency,omitempty" default:"1.5" min:"1" max:"1000" jsonschema:"So many times as slow as the old release the new one may be in the same minutes, in the median and the 95th percentile. A difference below a millisecond is tolerated."`
	Most     percentage `json:"most,omitempty" default:"0%" jsonschema:"Share of the requests that may fail at all, whatever the old release's; 0%: no such bound."`
	P95      duration   `json:"p95,omitempty" default:"0s" jsonschema:"95 % of the requests must begin to be answered within this time, whatever the old release does; 0s: no such bound."`
	Warmup   duration   `json:"warmup,omitempty" default:"0s" jsonschema:"How long after a stage is entered the new release may be slow, as programs are that compile while they run or fill caches. Its errors count from the start."`
}

// check asks one question; exactly one of exec, http and prometheus is given.
type check struct {
	Name       text     `json:"name,omitempty" env:"off" jsonschema:"What it is called in progress and history. Default: its place in the list."`
	Exec       argv     `json:"exec,omitempty" env:"off" jsonschema:"Program and arguments, run in the new release's folder with its environment; exit status 0 is a yes."`
	HTTP       text     `json:"http,omitempty" env:"off" jsonschema:"URL to GET; a status from 200 to 299 is a yes. $NAME stands for a variable of the service's environment when it is asked, here and in the next three."`
	Prometheus text     `json:"prometheus,omitempty" env:"off" jsonschema:"URL of a Prometheus server, which is asked query."`
	Query      text     `json:"query,omitempty" env:"off" jsonschema:"PromQL that gives one number. While it gives none (an empty result, NaN), that is neither yes nor no."`
	Headers    headers  `json:"headers,omitempty" env:"off" jsonschema:"Header fields of the request, such as Authorization: Bearer $TOKEN."`
	Min        number   `json:"min,omitempty" jsonschema:"The number must be this or more."`
	Max        number   `json:"max,omitempty" jsonschema:"The number must be this or less."`
	Every      duration `json:"every,omitempty" default:"5s" min:"100ms" jsonschema:"Time from the start of one question to the start of the next."`
	Timeout    duration `json:"timeout,omitempty" default:"5s" min:"10ms" jsonschema:"Longest wait for an answer."`
	Failures   count    `json:"failures,omitempty" default:"3" min:"1" max:"1000" jsonschema:"So many no in a row, no answer among them, and the rollout is undone."`
}

type (
	percentage float64 // 0 to 100
	number     float64
	headers    map[string]string
)

var percentText = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,6})?%$`)

func (v *percentage) read(c cursor) {
	s, _, _, ok := c.scalar("a percentage such as 0.5%")
	if !ok {
		return
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if !percentText.MatchString(s) || err != nil || n > 100 {
		c.fail(c.shown()+" is no percentage from 0% to 100%", "write it like 0.5% or 2%")
		return
	}
	*v = percentage(n)
}

func (v *number) read(c cursor) {
	s, plain, _, ok := c.scalar("a number")
	if !ok {
		return
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !plain || !numberText.MatchString(s) || math.IsInf(n, 0) || math.IsNaN(n) {
		c.fail(c.shown()+" is not a number", "write one such as 0.5 or 2")
		return
	}
	low, lowErr := strconv.ParseFloat(c.tag.Get("min"), 64)
	high, highErr := strconv.ParseFloat(c.tag.Get("max"), 64)
	switch {
	case lowErr == nil && n < low:
		c.fail(fmt.Sprintf("%s is too little: the least is %g", c.shown(), low), "")
	case highErr == nil && n > high:
		c.fail(fmt.Sprintf("%s is too much: the most is %g", c.shown(), high), "")
	default:
		*v = number(n)
	}
}

func (v *headers) read(c cursor) {
	if c.n.kind != mapping {
		c.fail("found "+c.n.found()+" where header fields are wanted", "write headers: {Authorization: Bearer $TOKEN}")
		return
	}
	out := headers{}
	for _, e := range c.n.entries {
		if !fieldName.MatchString(e.key.text) {
			c.r.failAt(e.key.line, e.key.col, c.path, clip(e.key.text)+" is no name of a header field", "use letters, digits and dashes")
			continue
		}
		item := c.item(e.value)
		if s, _, _, ok := item.scalar("text"); ok && strings.ContainsAny(s, "\r\n") {
			item.fail("a header field is one line", "take the line break out")
		} else if ok {
			out[e.key.text] = s
		}
	}
	*v = out
}

var fieldName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// judgement fills in how the strategy compares the releases and what it asks.
func (s scope) judgement(out *deploy.Service, set *judgement, env deploy.Environment) {
	if a := set.Analysis; a != nil {
		if !out.Proxied() && !s.failed("listen") {
			s.fail("strategy.analysis", "the proxy's counts are compared, and the requests of this service do not pass it", "take it out, or ask checks in its place")
		}
		out.Strategy.Analysis = &deploy.Analysis{Requests: int(a.Requests), Errors: float64(a.Errors), Latency: float64(a.Latency), Most: float64(a.Most), P95: time.Duration(a.P95), Warmup: time.Duration(a.Warmup)}
	}
	_, section := s.find("strategy.checks")
	names := map[string]bool{}
	for i := range set.Checks {
		item := section.items[i]
		if item.kind != mapping {
			continue // reported by decode
		}
		c := checkRules{s, item, env}.check(&set.Checks[i])
		if c.Name == "" {
			c.Name = strconv.Itoa(i + 1)
		}
		if names[c.Name] {
			checkRules{s, item, env}.fail("name", "two checks have the name "+clip(c.Name), "give each its own")
		}
		names[c.Name] = true
		out.Strategy.Checks = append(out.Strategy.Checks, c)
	}
}

// checkRules are those of one check, which stands at item.
type checkRules struct {
	s    scope
	item *node
	env  deploy.Environment
}

func (r checkRules) has(key string) bool { k, _ := r.item.get(key); return k != nil }

func (r checkRules) fail(key, what, mend string) {
	at := r.item
	if _, n := r.item.get(key); n != nil {
		at = n
	}
	r.s.r.failAt(at.line, at.col, join(r.s.path, join("strategy.checks", key)), what, mend)
}

func (r checkRules) check(set *check) deploy.Check {
	var kinds []string
	for _, k := range []string{"exec", "http", "prometheus"} {
		if r.has(k) {
			kinds = append(kinds, k)
		}
	}
	switch {
	case len(kinds) == 0:
		r.fail("", "the check asks nothing", "give it one of exec: command, http: URL, prometheus: URL")
	case len(kinds) > 1:
		r.fail(kinds[1], "a check asks one question, and this one has "+strings.Join(kinds, " and "), "keep one of them")
	case kinds[0] == "prometheus":
		r.prometheus(set)
	default:
		for _, key := range []string{"query", "min", "max"} {
			if r.has(key) {
				r.fail(key, "this belongs to prometheus, which the check does not ask", "take it out")
			}
		}
	}
	if r.has("exec") && r.has("headers") {
		r.fail("headers", "a command is sent no header fields", "take them out")
	}
	r.address("http", string(set.HTTP))
	r.address("prometheus", string(set.Prometheus))
	r.known("query", string(set.Query))
	for _, value := range set.Headers {
		r.known("headers", value)
	}
	return deploy.Check{Name: string(set.Name), Exec: set.Exec, HTTP: string(set.HTTP), Prometheus: string(set.Prometheus), Query: string(set.Query),
		Headers: set.Headers, Min: r.bound("min", set.Min), Max: r.bound("max", set.Max),
		Every: time.Duration(set.Every), Timeout: time.Duration(set.Timeout), Failures: int(set.Failures)}
}

// bound is a number that may be absent.
func (r checkRules) bound(key string, n number) *float64 {
	if !r.has(key) {
		return nil
	}
	return new(float64(n))
}

func (r checkRules) prometheus(set *check) {
	switch {
	case set.Query == "":
		r.fail("query", "prometheus is asked nothing", "give it query: PromQL that gives one number")
	case !r.has("min") && !r.has("max"):
		r.fail("prometheus", "no number would be a no", "give it min, max, or both")
	case r.has("min") && r.has("max") && set.Min > set.Max:
		r.fail("max", "the number would have to be below max and above min", "make max at least min")
	}
}

// address checks a URL as it will be asked.
func (r checkRules) address(key, value string) {
	if !r.has(key) {
		return
	}
	before := len(r.s.r.errs)
	r.known(key, value)
	if len(r.s.r.errs) > before {
		return
	}
	u, err := url.Parse(deploy.Expand(value, r.env))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		r.fail(key, "this is no URL that can be asked", "write it like http://127.0.0.1:9090/")
	}
}

var variableText = regexp.MustCompile(`\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})`)

// known wants every variable to be one that there will be. What is typed in
// place of $NAME would be kept in the journal, and no secret belongs there.
func (r checkRules) known(key, value string) {
	for _, m := range variableText.FindAllStringSubmatch(value, -1) {
		name := m[1] + m[2]
		if _, ok := r.env[name]; !ok && !slices.Contains([]string{"SEGUE_SERVICE", "SEGUE_RELEASE", "SEGUE_FROM", "SEGUE_ROLLOUT"}, name) {
			r.fail(key, name+" is no variable of this service", "give it a value under env: {"+name+": ${"+name+"}}")
		}
	}
}
