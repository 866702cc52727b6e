package drill

import (
	"sort"
	"time"
)

// Failure is one request that was lost, or not sent, in detail.
type Failure struct {
	N       int64         `json:"n"`     // the request's number, from 1
	ID      string        `json:"id"`    // its Segue-Drill-Id, for the server's log
	At      time.Duration `json:"at_ns"` // when it was due, since the drill's start
	Time    time.Time     `json:"time"`  // the same on the clock
	Took    time.Duration `json:"took_ns"`
	Phase   string        `json:"phase,omitempty"`
	Class   Class         `json:"class"`
	Err     string        `json:"err"`
	Explain string        `json:"explain"` // why, in plain words

	Method  string `json:"method"`
	Path    string `json:"path"` // without the query
	Mode    Mode   `json:"mode"`
	Proto   string `json:"proto,omitempty"`
	Retried bool   `json:"retried,omitempty"` // repeated once (RFC 9113 §8.7), and lost again

	Status     int    `json:"status,omitempty"`
	RetryAfter string `json:"retry_after,omitempty"`
	SegueError string `json:"segue_error,omitempty"` // of the response, if Segue's proxy refused it
	Release    string `json:"release,omitempty"`
	BytesRead  int64  `json:"bytes_read"`

	Conn    int64         `json:"conn,omitempty"` // the connection's number, in the order of opening
	ConnAge time.Duration `json:"conn_age_ns"`    // when the request began on it
	OnConn  int           `json:"on_conn"`        // which request on that connection, from 1; 0: never had one
	Reused  bool          `json:"reused"`
	Local   string        `json:"local,omitempty"` // our address, for packet captures and logs
}

func newFailure(j job, o *outcome) Failure {
	f := Failure{
		N: j.n, ID: j.id, At: j.due, Took: o.took, Class: o.class, Err: clean(o.why.Error(), 300),
		Method: j.target.method, Path: clean(j.target.path, 200), Mode: j.mode, Proto: o.proto, Retried: o.retried,
		Status: o.status, RetryAfter: o.retryAfter, SegueError: o.segueError, Release: o.release, BytesRead: o.bytesRead,
		Conn: o.conn.id, ConnAge: o.conn.age, OnConn: o.conn.ordin, Reused: o.conn.reused(),
	}
	if o.conn.local != nil {
		f.Local = o.conn.local.String()
	}
	return f
}

// explained orders the failures and adds what depends on the whole.
func explained(list []Failure, r *Result) []Failure {
	out := append([]Failure{}, list...)
	sort.Slice(out, func(i, k int) bool { return out[i].N < out[k].N })
	for i := range out {
		f := &out[i]
		f.Time = r.Start.Add(f.At).Round(0)
		f.Explain = explain(f)
	}
	return out
}
