package lint

import (
	"encoding/json"
	"io"
)

type jsonFinding struct {
	File      string   `json:"file"`
	Line      int      `json:"line"`
	Column    int      `json:"column"`
	Rule      string   `json:"rule"`
	Kind      Kind     `json:"kind"`
	Severity  Severity `json:"severity"`
	Object    string   `json:"object,omitempty"`
	Container string   `json:"container,omitempty"`
	Hazard    string   `json:"hazard"`
	Mend      string   `json:"mend"`
	Fixable   bool     `json:"fixable"`
	Ignored   string   `json:"ignored,omitempty"` // the reason
}

type jsonProblem struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	What   string `json:"what"`
	Mend   string `json:"mend,omitempty"`
}

type jsonResult struct {
	Findings []jsonFinding `json:"findings"`
	Ignored  []jsonFinding `json:"ignored"`
	Problems []jsonProblem `json:"problems"`
	Errors   int           `json:"errors"`
	Warnings int           `json:"warnings"`
	Files    int           `json:"files"`
	Objects  int           `json:"objects"`
	Skipped  int           `json:"skipped"`
}

// WriteJSON writes all of it.
func (r *Result) WriteJSON(w io.Writer) error {
	out := jsonResult{Findings: []jsonFinding{}, Ignored: []jsonFinding{}, Problems: []jsonProblem{},
		Errors: r.Count(Error), Warnings: r.Count(Warning), Files: r.Files, Objects: r.Objects, Skipped: r.Skipped}
	for _, f := range r.Findings {
		out.Findings = append(out.Findings, f.json(""))
	}
	for _, f := range r.Ignored {
		out.Ignored = append(out.Ignored, f.json(f.Reason))
	}
	for _, p := range r.Problems {
		out.Problems = append(out.Problems, jsonProblem{p.At.File.Name, p.At.Line, p.At.Column, p.What, p.Mend})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

func (f Finding) json(ignored string) jsonFinding {
	j := jsonFinding{File: f.At.File.Name, Line: f.At.Line, Column: f.At.Column, Rule: f.Rule, Kind: f.kind(), Severity: f.Severity,
		Container: f.Container, Hazard: f.Hazard, Mend: f.Mend, Fixable: f.Fix != nil, Ignored: ignored}
	if f.At.Object != nil {
		j.Object = f.At.Object.Name
	}
	return j
}

// kind is that of the rule.
func (f Finding) kind() Kind {
	if f.At.Object == nil || f.Rule == ignoreOfNothing || f.Rule == ignoreWithoutReason {
		return Comments
	}
	return f.At.Object.Kind
}
