package kafka

import (
	"github.com/twmb/franz-go/pkg/kgo"
)

// A partition is what was received of one, from when it was given to us until it is
// taken away. Its fields are guarded by its receiver's mutex.
type partition struct {
	row   []*place // received and not yet told to Kafka, in the partition's order
	open  int      // of those in somebody's hands
	taken takenAs
	mark  kgo.Record // topic, partition, and how far it is done with
}

// takenAs is what has become of a partition.
type takenAs int

const (
	ours    takenAs = iota
	leaving         // nothing more is received of it; what is open is waited for
	gone            // somebody else may have it
)

// A place is a delivery's tag: where its message stands.
type place struct {
	in     *partition
	offset int64
	epoch  int32
	state  state
}

type state int

const (
	open     state = iota // in somebody's hands
	returned              // to be delivered again
	done
)

// add takes note of a record that was received.
func (p *partition) add(r *kgo.Record) *place {
	at := &place{in: p, offset: r.Offset, epoch: r.LeaderEpoch}
	p.row = append(p.row, at)
	p.open++
	return at
}

// advance tells how far the partition is done with, without a gap: of what comes
// after a gap Kafka cannot be told. It is false if that is no farther than before.
func (p *partition) advance() bool {
	n := 0
	for n < len(p.row) && p.row[n].state == done {
		n++
	}
	if n == 0 {
		return false
	}
	p.mark.Offset, p.mark.LeaderEpoch = p.row[n-1].offset, p.row[n-1].epoch
	clear(p.row[:n])
	p.row = p.row[n:]
	return true
}
