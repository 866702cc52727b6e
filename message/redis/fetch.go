package redis

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/message"
)

// longestWait is how long the server waits for entries at most before it says that
// there are none.
const longestWait = 5 * time.Second

// fetch receives until the receiver is closed, by a connection of its own, or the next
// one when it breaks. The first failure is not told: what is there by then mends most.
func (r *receiver) fetch() {
	for failures := 0; r.ctx.Err() == nil; {
		came, err := r.read()
		if r.ctx.Err() != nil {
			return
		}
		if came {
			failures = 0
		}
		if failures++; failures == 1 {
			continue
		}
		r.tell(err)
		select {
		case <-time.After(min(time.Duration(failures)*50*time.Millisecond, 2*time.Second)):
		case <-r.ctx.Done():
		}
	}
}

func (r *receiver) tell(err error) {
	err = r.broker.fail(r.ctx, r.doing("receive: subscribe"), err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = err
	signal(r.wake)
}

// read receives by one connection until that fails, or the receiver is closed. It
// reports whether the server has answered by it.
func (r *receiver) read() (came bool, err error) {
	c, release := r.broker.client.Dedicate()
	defer release()
	// With a context that has a deadline rueidis writes and reads by itself; with any
	// other it begins two goroutines for the connection, which all go through from then.
	ctx, cancel := context.WithTimeout(r.ctx, answers)
	defer cancel()
	// A connection of a cluster is to the node of the first key.
	if err := c.Do(ctx, c.B().Exists().Key(r.streams[:]...).Build()).Error(); err != nil {
		return false, err
	}
	id, err := c.Do(ctx, c.B().ClientId().Build()).AsInt64()
	if err != nil {
		return false, err
	}
	r.reader.Store(id)
	defer r.reader.Store(0)
	if err := r.recall(c); err != nil && !noGroup(err) {
		return false, err
	}
	return true, r.readOn(c)
}

func (r *receiver) readOn(c rueidis.DedicatedClient) error {
	var claimed time.Time
	gather := time.NewTimer(0)
	defer gather.Stop()
	for r.ctx.Err() == nil {
		n := r.free()
		if n == 0 {
			select {
			case <-r.room:
			case <-r.ctx.Done():
			}
			continue
		}
		var err error
		if r.to.Group != "" && time.Since(claimed) >= r.pulse() {
			claimed = time.Now()
			var got []message.Delivery
			if got, err = r.claim(n); err == nil && len(got) > 0 {
				r.add(got)
				continue
			}
		}
		if err == nil {
			err = r.next(c, n)
		}
		if noGroup(err) {
			err = r.rejoin()
		}
		if err != nil {
			return err
		}
		gather.Reset(gathers)
		select {
		case <-r.done:
		case <-gather.C:
		case <-r.ctx.Done():
		}
	}
	return nil
}

// gathers is how long to let messages gather before the next read if those that have
// just come are not handled sooner: a read for each costs more than that.
const gathers = time.Millisecond

// pulse is how often a receiver shows that it lives, and looks for others that do
// not.
func (r *receiver) pulse() time.Duration { return r.broker.set.lease / 3 }

// next waits for entries. It is not called off by the receiver's context: see end.
func (r *receiver) next(c rueidis.DedicatedClient, n int) error {
	wait := min(r.pulse(), r.broker.set.wait)
	ctx, cancel := context.WithTimeout(r.broker.ctx, wait+answers)
	defer cancel()
	got, err := c.Do(ctx, c.B().Xreadgroup().Group(r.group, r.consumer).Count(int64(n)).Block(wait.Milliseconds()).
		Streams().Key(r.streams[:]...).Id(">", ">").Build()).AsXReadSlices()
	if rueidis.IsRedisNil(err) {
		return nil
	}
	if err != nil {
		return err
	}
	r.add(r.deliveries(got, nil))
	return nil
}

// answers is how long an answer may take.
const answers = 10 * time.Second

// recall fetches what the server has given to this consumer and has not come: it was
// on its way when the connection before this one broke.
func (r *receiver) recall(c rueidis.DedicatedClient) error {
	r.mu.Lock()
	here := make(map[tag]bool, len(r.held)) // as it was before the server is asked: what is acknowledged meanwhile has been here, too
	for t := range r.held {
		here[t] = true
	}
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(r.ctx, answers)
	defer cancel()
	got, err := c.Do(ctx, c.B().Xreadgroup().Group(r.group, r.consumer).
		Streams().Key(r.streams[:]...).Id("0", "0").Build()).AsXReadSlices()
	if err != nil && !rueidis.IsRedisNil(err) {
		return err
	}
	r.add(r.deliveries(got, here))
	return nil
}

// deliveries are those of an answer, without those that are here already. What was
// given back comes first: it is older.
func (r *receiver) deliveries(got map[string][]rueidis.XRangeSlice, here map[tag]bool) []message.Delivery {
	all := make([]message.Delivery, 0, len(got[r.streams[0]])+len(got[r.streams[1]]))
	for _, stream := range []int{2, 1} {
		for _, e := range got[r.streams[stream-1]] {
			t := tag{stream, e.ID}
			if here[t] || len(e.FieldValues) == 0 { // that was removed from the stream by somebody
				continue
			}
			all = append(all, message.Delivery{Message: decode(r.to.Topic, e.ID, e.FieldValues), Tag: t})
		}
	}
	return all
}

// claim takes over what others were silent about for a lease.
func (r *receiver) claim(n int) ([]message.Delivery, error) {
	ctx, cancel := context.WithTimeout(r.ctx, answers)
	defer cancel()
	got, err := r.run(ctx, r.broker.scripts.claim, strconv.FormatInt(r.broker.set.lease.Milliseconds(), 10), strconv.Itoa(n)).ToArray()
	if err != nil {
		return nil, err
	}
	var all []message.Delivery
	for _, e := range got {
		d, err := r.claimed(e)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// claimed is a delivery as the script tells it: stream, ID, how often it was delivered
// with this time, fields.
func (r *receiver) claimed(e rueidis.RedisMessage) (message.Delivery, error) {
	parts, err := e.ToArray()
	if err != nil || len(parts) != 4 {
		return message.Delivery{}, errAnswer
	}
	stream, err := parts[0].AsInt64()
	if err != nil {
		return message.Delivery{}, err
	}
	id, err := parts[1].ToString()
	if err != nil {
		return message.Delivery{}, err
	}
	times, err := parts[2].AsInt64()
	if err != nil {
		return message.Delivery{}, err
	}
	flat, err := parts[3].AsStrSlice()
	if err != nil {
		return message.Delivery{}, err
	}
	var fields []rueidis.XRangeFieldValue
	for i := 0; i+1 < len(flat); i += 2 {
		fields = append(fields, rueidis.XRangeFieldValue{Field: flat[i], Value: flat[i+1]})
	}
	m := decode(r.to.Topic, id, fields)
	m.Attempt += int(times) - 1
	return message.Delivery{Message: m, Tag: tag{int(stream), id}}, nil
}

// rejoin makes the group again, which the server has lost or somebody has removed: from
// the beginning of what there is, since nobody knows where the group was. Only a
// subscription that is nobody else's knows.
func (r *receiver) rejoin() error {
	from := "0"
	if r.to.Group == "" {
		r.mu.Lock()
		from = r.last
		r.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(r.ctx, answers)
	defer cancel()
	_, err := r.join(ctx, from)
	return err
}

// keep shows that this receiver works at what it has, until it is closed.
func (r *receiver) keep() {
	expires := ""
	if r.to.Group == "" {
		expires = abandoned
	}
	tick := time.NewTicker(r.pulse())
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			return
		}
		r.mu.Lock()
		all := make([]tag, 0, len(r.held))
		for t := range r.held {
			all = append(all, t)
		}
		r.mu.Unlock()
		if len(all) == 0 && expires == "" {
			continue
		}
		ctx, cancel := context.WithTimeout(r.ctx, r.pulse())
		// If it fails it is done again, and if it fails for a lease others have the entries.
		_ = r.run(ctx, r.broker.scripts.extend, append([]string{expires}, flat(all)...)...).Error()
		cancel()
	}
}
