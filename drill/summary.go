package drill

import (
	"os"
	"runtime"
	"sort"
	"time"
)

// PlanSummary is the plan as it may be shown: no header values, no bodies, no
// passwords.
type PlanSummary struct {
	Targets       []TargetSummary `json:"targets"`
	Headers       []string        `json:"headers,omitempty"` // names only
	Rate          float64         `json:"rate"`              // requests per second
	Duration      time.Duration   `json:"duration_ns"`       // 0: until stopped
	Mix           Mix             `json:"mix"`
	Connections   int             `json:"connections"`
	Timeout       time.Duration   `json:"timeout_ns"`
	MaxInFlight   int             `json:"max_in_flight"`
	Peek          bool            `json:"peek"`
	Expect        []string        `json:"expect"` // in words
	ReleaseHeader string          `json:"release_header,omitempty"`
}

// TargetSummary is a Target as it may be shown.
type TargetSummary struct {
	Method    string   `json:"method"`
	URL       string   `json:"url"` // redacted
	Headers   []string `json:"headers,omitempty"`
	BodyBytes int      `json:"body_bytes"`
	Weight    float64  `json:"weight"`
}

// Environment is where the drill was held.
type Environment struct {
	Host string        `json:"host"`
	OS   string        `json:"os"`
	Arch string        `json:"arch"`
	CPUs int           `json:"cpus"`
	Go   string        `json:"go"`
	CPU  time.Duration `json:"cpu_ns"` // used by the drill's process
}

func summarize(p Plan) PlanSummary {
	s := PlanSummary{
		Headers: headerNames(p.Header), Rate: p.Rate, Duration: p.Duration, Mix: p.Mix, Connections: p.Connections,
		Timeout: p.Timeout, MaxInFlight: p.MaxInFlight, Peek: !p.SkipPeek, Expect: p.Expect.words(),
	}
	if p.ReleaseFromBody == nil {
		s.ReleaseHeader = p.ReleaseHeader
	}
	for _, t := range p.Targets {
		s.Targets = append(s.Targets, TargetSummary{
			Method: methodOf(t), URL: redactURL(t.URL), Headers: headerNames(t.Header),
			BodyBytes: len(t.Body), Weight: weightOf(t),
		})
	}
	return s
}

func headerNames(h map[string][]string) (names []string) {
	for name := range h {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// words tells what is expected, but not the values.
func (e Expect) words() []string {
	words := []string{"status " + e.Status.String()}
	if e.BodyContains != "" {
		words = append(words, "body contains a text")
	}
	if e.BodyMatches != nil {
		words = append(words, "body matches a pattern")
	}
	if e.BodyEquals != nil {
		words = append(words, "body equals")
	}
	if e.BodySHA256 != "" {
		words = append(words, "body SHA-256 "+e.BodySHA256)
	}
	for _, name := range headerNames(e.Header) {
		words = append(words, "header "+name)
	}
	return words
}

func environment(cpu time.Duration) Environment {
	host, _ := os.Hostname() // without one, the report simply has none
	return Environment{
		Host: host, OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version(), CPU: cpu,
	}
}
