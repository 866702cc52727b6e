package job

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/seguehq/segue/store"
)

// What is kept, by prefix of its key. A job's name follows, or a process's ID.
const (
	statePrefix      = "job/state/"      // how things stand with a job: a record
	checkpointPrefix = "job/checkpoint/" // how far its run has come
	historyPrefix    = "job/history/"    // its last runs
	bellPrefix       = "job/bell/"       // rung when somebody is to look at its state
	instancePrefix   = "job/instance/"   // a process lives, for as long as this is there
	jobsPrefix       = "job/jobs/"       // the jobs that it has
	clockPrefix      = "job/clock/"      // what tells the store's time
)

// A status is the first word of a record. Their order by the alphabet decides what
// a claim may overwrite.
type status string

const (
	statusIdle      status = "idle"      // to be claimed for a time after the record's
	statusOpen      status = "open"      // a run waits for whoever takes it up
	statusRunning   status = "running"   // by the record's holder, if that is there
	statusSuspended status = "suspended" // nobody begins
)

// A record is how things stand with a job. It begins with its status and its slot,
// such that bytes compare as these do: a claim is one conditional write.
type record struct {
	status status
	slot   time.Time // the last time for which it was claimed; idle: none before it, or at it, is to be claimed

	Run       *Run        `json:"run,omitempty"`       // that goes on, or waits, or has ended last
	Holder    string      `json:"holder,omitempty"`    // the ID of the process that runs it
	Tries     int         `json:"tries,omitempty"`     // how often it was taken up since it came any further
	Number    int         `json:"number,omitempty"`    // of the checkpoint when this part began
	Suspended *Suspension `json:"suspended,omitempty"` // running: it is suspended when the run has ended
}

// slotFormat has the same length for all times, and bytes in the order of time.
const slotFormat = "2006-01-02T15:04:05.000000000Z"

func head(s status, slot time.Time) []byte {
	return []byte(string(s) + " " + slot.UTC().Format(slotFormat))
}

func (r record) encode() ([]byte, error) {
	rest, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return append(append(head(r.status, r.slot), ' '), rest...), nil
}

func decode(e store.Entry) (record, error) {
	var r record
	words := bytes.SplitN(e.Value, []byte(" "), 3)
	if len(words) != 3 {
		return r, fmt.Errorf("job: what the store has under %q is no record of a job: %.40q", e.Key, e.Value)
	}
	err := json.Unmarshal(words[2], &r)
	if err == nil {
		r.slot, err = time.Parse(slotFormat, string(words[1]))
	}
	if err != nil {
		return r, fmt.Errorf("job: what the store has under %q is no record of a job: %w", e.Key, err)
	}
	r.status = status(words[0])
	return r, nil
}

// rest is until when AtLeastFor keeps the job from being begun.
func (r record) rest() time.Time {
	if r.Run == nil {
		return time.Time{}
	}
	return r.Run.Rest
}

// waits is the run that waits for somebody to take it up, if there is one.
func (r record) waits() *Run {
	if r.status == statusRunning || r.Run == nil || !r.Run.Ended.IsZero() {
		return nil
	}
	return r.Run
}

// rests returns the record of a job whose run has ended, and notes in that until
// when the next is not to begin.
func (r record) rests(run *Run, atLeast time.Duration) record {
	next := record{status: statusIdle, slot: r.slot, Run: run}
	if until := run.Started.Add(atLeast - min(atLeast/10, time.Second)); atLeast > 0 && until.After(r.slot) {
		next.slot, run.Rest = until.Add(-1), until
	}
	return next.suspendedAs(r)
}

// opens returns the record of a job whose run is to be taken up by another.
func (r record) opens(run Run, tries int) record {
	next := record{status: statusOpen, slot: r.slot, Run: &run, Tries: tries, Number: r.Number}
	return next.suspendedAs(r)
}

// suspendedAs is suspended if it was to be when the run had ended.
func (r record) suspendedAs(before record) record {
	if before.Suspended != nil {
		r.status, r.Suspended = statusSuspended, before.Suspended
	}
	return r
}
