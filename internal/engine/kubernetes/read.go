package kubernetes

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// A LogLine is one line that a pod's container wrote, without its end.
type LogLine struct {
	Pod  string    `json:"pod"`
	At   time.Time `json:"at,omitzero"`
	Line string    `json:"line"`
}

// reading is which lines of which container.
type reading struct {
	pod, container string
	lines          int           // the last ones; 0 all
	since          time.Duration // only those younger; 0 any
	after          time.Time     // only those later; zero any
	previous       bool          // of the container that ran before
	follow         bool          // go on until it ends
}

// logSuffix is how the log of a pod is asked for, and the right to read it given.
const logSuffix = "/log"

// read calls out for each line. It returns when the log is at its end, when
// out fails, or with ctx.
func (c *Cluster) read(ctx context.Context, r reading, out func(LogLine) error) error {
	path, err := c.path("Pod", r.pod)
	if err != nil {
		return err
	}
	req := c.rest.Get().AbsPath(path+logSuffix).Param("container", r.container).Param("timestamps", "true").
		Param("follow", strconv.FormatBool(r.follow)).Param("previous", strconv.FormatBool(r.previous))
	if r.lines > 0 && r.after.IsZero() {
		req = req.Param("tailLines", strconv.Itoa(r.lines))
	}
	if r.since > 0 && r.after.IsZero() {
		req = req.Param("sinceSeconds", strconv.Itoa(max(1, int(r.since.Round(time.Second).Seconds()))))
	}
	if !r.after.IsZero() {
		req = req.Param("sinceTime", r.after.UTC().Format(time.RFC3339)) // whole seconds: the rest is skipped below
	}
	body, err := req.Stream(ctx)
	if err != nil {
		return c.failed("get", Ref{Kind: "Pod", Name: r.pod + logSuffix}, err)
	}
	defer body.Close()
	return eachLine(body, func(at time.Time, line string) error {
		if !at.After(r.after) && !r.after.IsZero() {
			return nil
		}
		return out(LogLine{Pod: r.pod, At: at, Line: line})
	})
}

// noLog is what a node says in place of a log, such as that it is gone.
type noLog string

func (e noLog) Error() string { return "its node says: " + string(e) }

// eachLine takes lines apart that begin with their time. A line of any length
// is one.
func eachLine(in io.Reader, out func(time.Time, string) error) error {
	lines := bufio.NewReader(in)
	for first := true; ; first = false {
		line, err := lines.ReadString('\n')
		if line != "" {
			stamp, text, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
			at, bad := time.Parse(time.RFC3339Nano, stamp)
			if bad != nil && first {
				return noLog(strings.TrimSpace(line))
			}
			if bad != nil {
				text = strings.TrimRight(line, "\r\n")
			}
			if err := out(at, text); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
