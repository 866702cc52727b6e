package embedded

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/store"
)

// step brings the group's entry from what it is to what it is to be: what is done is
// taken out, what the dead had is free, and this member has got what it has room for.
// Whoever else has written meanwhile makes it begin anew.
func (m *member) step(ctx context.Context, asked []*request) error {
	done, back := map[place]bool{}, map[place]bool{}
	for _, r := range asked {
		for p := range r.done {
			done[p] = true
		}
		for p := range r.back {
			back[p] = true
		}
	}
	m.mu.Lock()
	stale := m.stale
	m.stale = false
	m.mu.Unlock()
	if stale || elapsed(m.rivalled) < lookAnyway {
		m.revision = store.Any
	}
	for {
		if err := m.know(ctx); err != nil {
			return err
		}
		changed, err := m.change(ctx, done, back)
		if err == nil && (changed || elapsed(m.written) > m.keep/8) {
			err = m.write(ctx)
		}
		switch {
		case err == nil:
			return m.settled(ctx, done, back)
		case !errors.Is(err, store.ErrConflict):
			m.revision = store.Any
			return err
		}
		m.revision, m.rivalled = store.Any, time.Now()
	}
}

// know reads the group's entry, if it may have changed.
func (m *member) know(ctx context.Context) error {
	if m.revision != store.Any {
		return nil
	}
	e, err := m.store.Get(ctx, m.key)
	if errors.Is(err, store.ErrNotFound) { // forgotten: nobody could reach the store for a week
		if err := m.found(ctx); err != nil {
			return err
		}
		e, err = m.store.Get(ctx, m.key)
	}
	if err != nil {
		return err
	}
	m.state, err = decodeState(e.Value)
	m.revision = e.Revision
	return err
}

// change makes of the state what it is to be, and tells whether that is another.
func (m *member) change(ctx context.Context, done, back map[place]bool) (changed bool, err error) {
	changed = m.state.done(done)
	changed = m.state.giveBack(m.id, back) || changed
	if m.bury {
		dead, err := m.dead(ctx)
		if err != nil {
			return false, err
		}
		m.bury = false
		for _, id := range dead {
			changed = m.state.bury(id) || changed
		}
	}
	room := m.room()
	if room <= 0 {
		return changed, nil
	}
	skipped, err := m.readAhead(ctx, room)
	return m.state.claim(m.id, room, m.log) || skipped || changed, err
}

// room is how many messages more the member may have.
func (m *member) room() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.hungry {
		return 0
	}
	room := m.window
	for _, o := range m.state.Open {
		if o.Holder == m.id {
			room--
		}
	}
	return room
}

func (m *member) write(ctx context.Context) error {
	value, err := m.state.encode()
	if err != nil {
		return err
	}
	revision, err := m.store.Put(ctx, store.Write{Key: m.key, Value: value, Expect: m.revision, TTL: m.keep})
	if err == nil {
		m.revision, m.written = revision, time.Now()
	}
	return err
}

// settled makes ready what the member has got, also by a write of which it has not
// learned that it had succeeded, and forgets what it has no more.
func (m *member) settled(ctx context.Context, done, back map[place]bool) error {
	for p := range done {
		delete(m.mine, p)
	}
	for p := range back {
		delete(m.mine, p)
	}
	have, needed := map[place]bool{}, map[int64]bool{}
	var got []message.Delivery
	for _, o := range m.state.Open {
		switch {
		case o.Holder == "":
			needed[o.Chunk] = true
		case o.Holder == m.id:
			have[o.place] = true
			if m.mine[o.place] {
				continue
			}
			d, ok, err := m.delivery(ctx, o)
			if err != nil {
				m.revision = store.Any // it is found again
				return err
			}
			if !ok { // nobody will ever see it
				m.forget(o.place)
				continue
			}
			got = append(got, d)
		}
	}
	for n := range m.log {
		if n < m.state.Next.Chunk && !needed[n] {
			delete(m.log, n)
		}
	}
	m.mine = have
	m.mu.Lock()
	m.ready = slices.DeleteFunc(m.ready, func(d message.Delivery) bool { return !have[d.Tag.(place)] }) // another has it
	m.ready = append(m.ready, got...)
	m.mu.Unlock()
	if len(got) > 0 {
		rouse(m.arrived)
	}
	return m.wakeOthers(ctx)
}

// wakeOthers wakes them if there is more for them than before.
func (m *member) wakeOthers(ctx context.Context) error {
	before := m.free
	if m.free = m.state.free(); m.free <= before {
		return nil
	}
	_, err := m.store.Put(ctx, store.Write{Key: m.wakeKey(m.group), Expect: store.Any, TTL: time.Minute})
	return err
}

// forget has the next step take a message out that is not there.
func (m *member) forget(p place) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, &request{done: map[place]bool{p: true}, err: make(chan error, 1)})
	rouse(m.wake)
}

// delivery is an open message as it is received.
func (m *member) delivery(ctx context.Context, o open) (message.Delivery, bool, error) {
	messages := m.log[o.Chunk]
	if messages == nil {
		c, _, err := m.chunk(ctx, o.Chunk)
		if err != nil {
			return message.Delivery{}, false, err
		}
		messages = c.messages
		m.log[o.Chunk] = messages
	}
	if o.Index >= len(messages) {
		return message.Delivery{}, false, nil
	}
	d := message.Delivery{Message: messages[o.Index], Tag: o.place}
	d.Attempt = 1 + o.Deaths
	return d, true, nil
}

// readAhead reads chunks of the log until there is enough for room messages, or no
// more: some more at once each time there was more. It tells whether the group goes
// on further behind, as what it wanted is not there any more.
func (m *member) readAhead(ctx context.Context, room int) (skipped bool, err error) {
	from, have := m.state.Next.Chunk, -m.state.Next.Index
	for len(m.log[from]) > 0 {
		have += len(m.log[from])
		from++
	}
	for width := int64(1); have < room; width = min(2*width, atOnce) {
		told, unsure := m.look()
		if from > told && !unsure {
			return skipped, nil
		}
		width = max(width, min(told-from+1, atOnce, int64(room-have)))
		chunks, err := m.chunks(ctx, from, width)
		for _, c := range chunks {
			m.log[from] = c.messages
			have += len(c.messages)
			from++
		}
		switch {
		case err != nil || int64(len(chunks)) == width:
			m.lookAgain(unsure || err != nil)
			if err != nil {
				return skipped, err
			}
		case from > told:
			return skipped, nil
		default:
			// Told of, and not there: removed, if the group came after it was published.
			b, _, err := m.bounds(ctx)
			if err != nil || b.Floor <= from {
				m.lookAgain(true)
				return skipped, err
			}
			from, have, skipped = b.Floor, 0, true
			m.state.Next = place{from, 0}
		}
	}
	return skipped, nil
}

// look is which chunk was told of last, and whether there may be more. Whoever asks
// looks now.
func (m *member) look() (told int64, unsure bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	told, unsure, m.unsure = m.told, m.unsure, false
	return told, unsure
}

func (m *member) lookAgain(unsure bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unsure = m.unsure || unsure
}

// chunks reads up to n chunks from a number on, as many as there are without a gap.
func (m *member) chunks(ctx context.Context, from, n int64) ([]chunk, error) {
	all, failed := make([]chunk, n), make([]error, n)
	there := make([]bool, n)
	var reading sync.WaitGroup
	for i := range n - 1 {
		reading.Go(func() { all[i], there[i], failed[i] = m.chunk(ctx, from+i) })
	}
	all[n-1], there[n-1], failed[n-1] = m.chunk(ctx, from+n-1)
	reading.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	if i := slices.Index(there, false); i >= 0 {
		return all[:i], nil
	}
	return all, nil
}

// dead are the members that have messages and no lease. A list may leave out what is
// written meanwhile, so that they are asked for one by one.
func (m *member) dead(ctx context.Context) (dead []string, err error) {
	holders := m.state.holders()
	if len(holders) == 0 || len(holders) == 1 && holders[0] == m.id {
		return nil, nil
	}
	prefix := memberPrefix + m.topic.name + "/" + m.group + "/"
	alive := map[string]bool{m.id: true}
	for e, err := range m.store.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		alive[strings.TrimPrefix(e.Key, prefix)] = true
	}
	for _, id := range holders {
		if alive[id] {
			continue
		}
		_, err := m.store.Get(ctx, prefix+id)
		if errors.Is(err, store.ErrNotFound) {
			dead, err = append(dead, id), nil
		}
		if err != nil {
			return nil, err
		}
	}
	return dead, nil
}

// leave gives back all that the member has, when run has ended.
func (m *member) leave(ctx context.Context) error {
	m.mu.Lock()
	m.hungry, m.ready = false, nil
	m.mu.Unlock()
	for {
		m.revision = store.Any
		if err := m.know(ctx); err != nil {
			return err
		}
		if !m.state.giveBack(m.id, nil) {
			break
		}
		err := m.write(ctx)
		if err == nil {
			m.free = 0
			if err = m.wakeOthers(ctx); err == nil {
				break
			}
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return m.store.Delete(ctx, m.leaseKey(), store.Any)
}
