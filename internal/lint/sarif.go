package lint

import (
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"strings"
)

// What is written of SARIF 2.1.0 (OASIS Standard, errata 01).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		ColumnKind  string            `json:"columnKind"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		URI     string      `json:"informationUri"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string       `json:"id"`
		Name    string       `json:"name"`
		Short   sarifText    `json:"shortDescription"`
		Help    sarifText    `json:"help"`
		Default sarifDefault `json:"defaultConfiguration"`
	}
	sarifDefault struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Fixes        []sarifFix         `json:"fixes,omitempty"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine,omitempty"`
		EndColumn   int `json:"endColumn,omitempty"`
	}
	sarifFix struct {
		Description sarifText     `json:"description"`
		Changes     []sarifChange `json:"artifactChanges"`
	}
	sarifChange struct {
		Artifact     sarifArtifact      `json:"artifactLocation"`
		Replacements []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct {
		Deleted  sarifRegion `json:"deletedRegion"`
		Inserted sarifText   `json:"insertedContent"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
)

const (
	sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	homepage    = "https://github.com/seguehq/segue"
)

// WriteSARIF writes a log for code scanning. What is ignored is in it,
// suppressed by its reason.
func (l *Linter) WriteSARIF(w io.Writer, r *Result, version string) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}, Invocations: []sarifInvocation{notifications(r)},
		Tool: sarifTool{sarifDriver{Name: "segue lint", Version: version, URI: homepage, Rules: []sarifRule{}}}}
	index := map[string]int{}
	for i, d := range l.docs {
		id := string(d.Kind) + "/" + d.Rule
		index[id] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: id, Name: d.Rule, Short: sarifText{Text: d.Hazard},
			Help: sarifText{Text: d.Text, Markdown: d.Text}, Default: sarifDefault{string(d.Severity)}})
	}
	add := func(f Finding, suppressed []sarifSuppression) {
		id := string(f.kind()) + "/" + f.Rule
		run.Results = append(run.Results, sarifResult{RuleID: id, RuleIndex: index[id], Level: string(f.Severity),
			Message: sarifText{Text: f.Hazard + ". Mend: " + f.Mend + "."}, Locations: []sarifLocation{sarifAt(f.At)}, Fixes: f.sarifFixes(), Suppressions: suppressed})
	}
	for _, f := range r.Findings {
		add(f, nil)
	}
	for _, f := range r.Ignored {
		add(f.Finding, []sarifSuppression{{"inSource", f.Reason}})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(sarifLog{sarifSchema, "2.1.0", []sarifRun{run}})
}

func notifications(r *Result) sarifInvocation {
	v := sarifInvocation{Successful: len(r.Problems) == 0}
	for _, p := range r.Problems {
		text := p.What
		if p.Mend != "" {
			text += "; " + p.Mend
		}
		v.Notifications = append(v.Notifications, sarifNotification{"error", sarifText{Text: text}, []sarifLocation{sarifAt(p.At)}})
	}
	return v
}

func sarifAt(p Place) sarifLocation {
	at := sarifLocation{Physical: sarifPhysical{sarifArtifact{sarifURI(p.File.Name)}, sarifRegion{StartLine: p.Line, StartColumn: p.Column}}}
	if p.Object != nil {
		at.Logical = []sarifLogical{{p.Object.Name}}
	}
	return at
}

// sarifURI is a relative reference for what is named relatively (RFC 3986,
// section 4.2), so that a file finds its place in the repository.
func sarifURI(name string) string {
	if name == "-" {
		return "stdin"
	}
	name = filepath.ToSlash(filepath.Clean(name))
	if strings.HasPrefix(name, "/") {
		return (&url.URL{Scheme: "file", Path: name}).String()
	}
	return (&url.URL{Path: name}).String()
}

func (f Finding) sarifFixes() []sarifFix {
	if f.Fix == nil {
		return nil
	}
	file := sarifArtifact{sarifURI(f.At.File.Name)}
	change := sarifChange{Artifact: file}
	for _, e := range f.Fix.edits {
		change.Replacements = append(change.Replacements, sarifReplacement{f.At.File.region(e.start, e.end), sarifText{Text: e.text}})
	}
	return []sarifFix{{sarifText{Text: f.Mend}, []sarifChange{change}}}
}

func (f *File) region(start, end int) sarifRegion {
	var r sarifRegion
	r.StartLine, r.StartColumn = f.position(start)
	r.EndLine, r.EndColumn = f.position(end)
	return r
}
