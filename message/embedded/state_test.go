package embedded

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seguehq/segue/message"
)

// A model of a group: what its state may never do, whatever happens to its members.
type model struct {
	*testing.T
	state   state
	log     map[int64][]message.Message
	members []string
	done    map[place]bool
	order   map[string][]place // of each key, in the order in which they were published
}

// TestNoTwoMembersHaveOneKey lets members claim, finish, give back and die at
// random.
func TestNoTwoMembersHaveOneKey(t *testing.T) {
	t.Parallel()
	for seed := range uint64(15) {
		random := rand.New(rand.NewPCG(seed, 0))
		m := &model{T: t, state: state{Next: place{firstChunk, 0}}, log: map[int64][]message.Message{}, members: []string{"a", "b", "c"},
			done: map[place]bool{}, order: map[string][]place{}}
		for chunk := int64(firstChunk); chunk < 20; chunk++ {
			for i := range 1 + random.IntN(5) {
				key := []string{"", "k", "l", "m"}[random.IntN(4)]
				m.log[chunk] = append(m.log[chunk], message.Message{ID: fmt.Sprint(chunk, ".", i), Key: key})
				m.order[key] = append(m.order[key], place{chunk, i})
			}
		}
		for range 300 {
			m.step(random, m.members[random.IntN(len(m.members))])
			m.check(seed)
		}
		for n := 0; n < 300 && (len(m.state.Open) > 0 || m.state.Next.Chunk < 20); n++ {
			m.state.claim("a", 3, m.log)
			m.finish("a", 3)
			m.state.giveBack("b", nil)
			m.state.giveBack("c", nil)
			m.check(seed)
		}
		for chunk, messages := range m.log {
			for i := range messages {
				if !m.done[place{chunk, i}] {
					t.Fatalf("seed %d: %v was never handled; state %+v", seed, place{chunk, i}, m.state)
				}
			}
		}
	}
}

func (m *model) step(random *rand.Rand, member string) {
	switch random.IntN(6) {
	case 0, 1:
		held := len(m.held(member))
		m.state.claim(member, 4-held, m.log)
		if got := len(m.held(member)); got > 4 {
			m.Errorf("%s has %d messages, and a window of 4", member, got)
		}
	case 2, 3:
		m.finish(member, 1+random.IntN(3))
	case 4:
		m.state.giveBack(member, nil)
	case 5:
		m.state.bury(member)
	}
	value, err := m.state.encode()
	if err == nil {
		m.state, err = decodeState(value)
	}
	if err != nil {
		m.Fatal(err)
	}
}

func (m *model) held(member string) (places []place) {
	for _, o := range m.state.Open {
		if o.Holder == member {
			places = append(places, o.place)
		}
	}
	return places
}

// finish acknowledges the first messages of a member, as it handles them in order.
func (m *model) finish(member string, n int) {
	places := map[place]bool{}
	for _, p := range m.held(member)[:min(n, len(m.held(member)))] {
		if m.done[p] {
			m.Errorf("%v was handled twice", p)
		}
		places[p], m.done[p] = true, true
	}
	m.state.done(places)
}

// check sees that a message of a key is with a member only while all before it are
// done, or with the same member.
func (m *model) check(seed uint64) {
	holder := map[place]string{}
	for _, o := range m.state.Open {
		holder[o.place] = o.Holder
	}
	for key, places := range m.order {
		if key == "" {
			continue
		}
		for n, p := range places {
			if holder[p] == "" {
				continue
			}
			if i := slices.IndexFunc(places[:n], func(q place) bool { return !m.done[q] && holder[q] != holder[p] && holder[q] != "" }); i >= 0 {
				m.Fatalf("seed %d: %s has %v of key %s, and %s has %v", seed, holder[p], p, key, holder[places[i]], places[i])
			}
		}
	}
}
