package check

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"time"
)

// sample is a report with something of everything in it.
func sample() *Report {
	mend := "Close what is idle only when it has been told. This sentence is long enough to be broken somewhere behind the hundredth column.\n    server.Code(kept, as, it, is) // however long such a line of code may be, since whoever copies it wants it whole\nhttps://example.org/manual"
	return &Report{
		Target: "./server --name \x01", Class: ClassImmediate, Took: Duration(8857 * time.Millisecond),
		Server: Server{Name: "gin", Version: "1.12"}, Survey: &Survey{HTTP1: true, KeepAlive: true, Clients: 48, Rate: 1000, Start: Duration(45 * time.Millisecond)},
		Results: []Result{
			{Case: "exit-idle", Verdict: Pass, Outcome: outcomeExited, Observed: "exited with 0, 2ms after the signal", Took: Duration(2 * time.Millisecond)},
			{Case: "half-headers", Verdict: Fail, Outcome: outcomeCut, Observed: "closed without an answer <&>", Mend: mend},
			{Case: "used-at-signal", Verdict: Fail, Outcome: outcomeCut, Observed: "24 of 24 were lost", Mend: mend},
			{Case: "new-connection", Verdict: Warn, Outcome: outcomeNotOpened, Observed: "refused", Mend: "Serve on."},
			{Case: "h2-goaway", Verdict: Skip, Observed: "no HTTP/2"},
			{Case: "grpc-unary", Verdict: Skip, Observed: "no HTTP/2"},
		},
	}
}

func TestTextReport(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := sample().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want := `server    gin 1.12; first answer after 45ms; persistent HTTP/1.1 connections
pass      exit-idle          exited with 0, 2ms after the signal
FAIL      half-headers       closed without an answer <&>
          rule: A client that has sent half of its request's header when the signal comes sends the
                rest, and is answered.
FAIL      used-at-signal     24 of 24 were lost
          rule: Requests on kept-alive connections that have come to the server when the signal
                does, and are not read yet, are answered.
warn      new-connection     refused
          rule: A connection that is opened after the signal serves its request, or is refused; for
                a second it is served.
mend      half-headers, used-at-signal:
          Close what is idle only when it has been told. This sentence is long enough to be broken
          somewhere behind the hundredth column.
              server.Code(kept, as, it, is) // however long such a line of code may be, since whoever copies it wants it whole
          https://example.org/manual
mend      new-connection:
          Serve on.
skip      h2-goaway, grpc-unary: no HTTP/2
class     immediate hang-up: `
	got := b.String()
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !strings.HasSuffix(got, "\nverdict   2 failed, 1 warning, 1 passed, 2 skipped, in 8.857s\n") {
		t.Errorf("the last line of\n%s", got)
	}
}

func TestJSONReportComesBack(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := sample().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var r Report
	if err := json.Unmarshal(b.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if got, _ := r.Of("exit-idle"); got != sample().Results[0] || r.Class != ClassImmediate || r.Took != sample().Took {
		t.Errorf("came back as %+v", r)
	}
}

// What a CI server reads: counts, failures, skips; whatever the server has
// written into them.
func TestJUnitReport(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := sample().WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	var s junitSuite
	if err := xml.Unmarshal(b.Bytes(), &s); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	if s.Tests != 6 || s.Failures != 2 || s.Skipped != 2 || len(s.Cases) != 6 || s.Name != "segue check ./server --name " {
		t.Errorf("suite %+v", s)
	}
	fails, warns, skips := s.Cases[1], s.Cases[3], s.Cases[4]
	if fails.Failure == nil || fails.Failure.Message != "closed without an answer <&>" || !strings.Contains(fails.Failure.Text, "mend: Close what is idle") {
		t.Errorf("failure %+v", fails)
	}
	if warns.Failure != nil || !strings.Contains(warns.Out, "warning: refused") || skips.Skipped == nil || skips.Skipped.Message != "no HTTP/2" {
		t.Errorf("warning %+v, skip %+v", warns, skips)
	}
}
