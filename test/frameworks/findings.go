package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/check"
)

// findings are what the page is made of. They are kept as JSON beside it, so
// that some rows can be run again without the others.
type findings struct {
	Made    string    `json:"made"`    // the day of the last run
	Machine string    `json:"machine"` // where that was
	Rows    []finding `json:"rows"`    // in the order of families
}

// jsonOf is the path of the JSON beside the page.
func jsonOf(page string) string { return strings.TrimSuffix(page, filepath.Ext(page)) + ".json" }

// readFindings reads those of earlier runs; there may be none.
func readFindings(page string) (findings, error) {
	var f findings
	data, err := os.ReadFile(jsonOf(page))
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return f, fmt.Errorf("%s: %w; remove it and run all rows", jsonOf(page), err)
	}
	return f, nil
}

// with is the findings with fresh ones in the places of old ones.
func (f findings) with(fresh []finding) findings {
	all := findings{Made: time.Now().UTC().Format(time.DateOnly), Machine: machine()}
	for _, r := range allRows() {
		if found := of(fresh, r.Name); found != nil {
			all.Rows = append(all.Rows, *found)
		} else if found := of(f.Rows, r.Name); found != nil {
			all.Rows = append(all.Rows, *found)
		}
	}
	return all
}

func of(rows []finding, name string) *finding {
	i := slices.IndexFunc(rows, func(f finding) bool { return f.Row == name })
	if i < 0 {
		return nil
	}
	return &rows[i]
}

func (f findings) write(page string) error {
	var lines []string
	for _, r := range f.Rows {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		lines = append(lines, "  "+string(line))
	}
	text := fmt.Sprintf("{\"made\": %q, \"machine\": %q, \"rows\": [\n%s\n]}\n", f.Made, f.Machine, strings.Join(lines, ",\n"))
	if err := os.WriteFile(jsonOf(page), []byte(text), 0o644); err != nil {
		return err
	}
	return os.WriteFile(page, []byte(f.page()), 0o644)
}

// unexplained is an error for rows that differ from what was published, and
// whose Remark does not say why.
func (f findings) unexplained() error {
	var errs []error
	for _, r := range allRows() {
		found := of(f.Rows, r.Name)
		if found != nil && found.agreement(r) == differs && r.Remark == "" {
			errs = append(errs, fmt.Errorf("%s: measured %q, published %q: find out why, and say so in the row's Remark", r.Name, found.class(), r.Published))
		}
	}
	return errors.Join(errs...)
}

const (
	agrees  = "agrees"
	differs = "differs"
)

// agreement compares with the published table; "" is nothing to compare.
func (f finding) agreement(r Row) string {
	switch {
	case r.Published == "" || f.Report == nil:
		return ""
	case slices.Contains(f.Classes, r.Published):
		return agrees
	default:
		return differs
	}
}

// cases are the row's cases that have come to the verdict.
func (f finding) cases(v check.Verdict) []check.Result {
	var those []check.Result
	for _, c := range f.Report.Results {
		if c.Verdict == v {
			those = append(those, c)
		}
	}
	return those
}

func allRows() []Row {
	var rows []Row
	for _, f := range families() {
		rows = append(rows, f.rows()...)
	}
	return rows
}

func machine() string {
	system := runtime.GOOS
	if release, err := os.Open("/etc/os-release"); err == nil {
		defer func() { _ = release.Close() }() // only read from
		for lines := bufio.NewScanner(release); lines.Scan(); {
			if name, ok := strings.CutPrefix(lines.Text(), "PRETTY_NAME="); ok {
				system = strings.Trim(name, `"`)
			}
		}
	}
	return fmt.Sprintf("%s on %s, %d cores", system, runtime.GOARCH, runtime.NumCPU())
}
