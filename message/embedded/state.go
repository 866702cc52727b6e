package embedded

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/seguehq/segue/message"
)

// A place is where a message is in the log.
type place struct {
	Chunk int64 `json:"c"`
	Index int   `json:"i"`
}

// A state is how far a group has come. All before Next is done, but for what is Open.
type state struct {
	Next place  `json:"next"`
	Open []open `json:"open,omitempty"` // by their places
}

// An open message is one that somebody has, or had and has given back, or that had
// to wait for one with the same key.
type open struct {
	place
	Key    uint32 `json:"k,omitempty"` // the key's hash; 0: none
	Holder string `json:"h,omitempty"` // the member that has it; empty: nobody
	Deaths int    `json:"d,omitempty"` // how many of those who had it have died
}

const (
	// maxOpen is how many messages may be open: an entry that is written with each
	// step is to stay small.
	maxOpen = 10_000
	// maxWaiting is how many of them may wait for their key. Then the group goes on
	// when some are done.
	maxWaiting = 1000
)

func decodeState(value []byte) (state, error) {
	var s state
	if err := json.Unmarshal(value, &s); err != nil {
		return state{}, fmt.Errorf("a group's entry: %w", err)
	}
	return s, nil
}

func (s *state) encode() ([]byte, error) { return json.Marshal(s) }

// floor is the first chunk that the group needs.
func (s *state) floor() int64 {
	if len(s.Open) > 0 {
		return min(s.Open[0].Chunk, s.Next.Chunk)
	}
	return s.Next.Chunk
}

// done notes that messages were handled, whoever has them now.
func (s *state) done(places map[place]bool) (changed bool) {
	before := len(s.Open)
	s.Open = slices.DeleteFunc(s.Open, func(o open) bool { return places[o.place] })
	return len(s.Open) != before
}

// giveBack takes messages from a member; all of them if places is nil.
func (s *state) giveBack(member string, places map[place]bool) (changed bool) {
	for n := range s.Open {
		if o := &s.Open[n]; o.Holder == member && (places == nil || places[o.place]) {
			o.Holder, changed = "", true
		}
	}
	return changed
}

// bury takes from a member that died what it had.
func (s *state) bury(member string) (changed bool) {
	for n := range s.Open {
		if o := &s.Open[n]; o.Holder == member {
			o.Holder, o.Deaths, changed = "", o.Deaths+1, true
		}
	}
	return changed
}

// holders are the members that have messages.
func (s *state) holders() []string {
	var all []string
	for _, o := range s.Open {
		if o.Holder != "" && !slices.Contains(all, o.Holder) {
			all = append(all, o.Holder)
		}
	}
	return all
}

// busy are the keys of messages that others than this member have.
func (s *state) busy(member string) map[uint32]bool {
	keys := map[uint32]bool{}
	for _, o := range s.Open {
		if o.Key != 0 && o.Holder != "" && o.Holder != member {
			keys[o.Key] = true
		}
	}
	return keys
}

// claim gives a member up to room messages: first those that wait, then those that
// come next in the log, as far as it was read. None whose key others are busy with,
// or of which an earlier one waits.
func (s *state) claim(member string, room int, log map[int64][]message.Message) (changed bool) {
	busy, waiting := s.busy(member), 0
	give := func(o *open) {
		if room > 0 && !busy[o.Key] {
			o.Holder, changed = member, true
			room--
			return
		}
		waiting++
		if o.Key != 0 {
			busy[o.Key] = true
		}
	}
	for n := range s.Open {
		if s.Open[n].Holder == "" {
			give(&s.Open[n])
		}
	}
	for room > 0 && waiting < maxWaiting && len(s.Open) < maxOpen {
		messages := log[s.Next.Chunk]
		if len(messages) == 0 {
			break
		}
		o := open{place: s.Next, Key: hash(messages[s.Next.Index].Key)}
		give(&o)
		s.Open, changed = append(s.Open, o), true
		if s.Next.Index++; s.Next.Index >= len(messages) {
			s.Next = place{s.Next.Chunk + 1, 0}
		}
	}
	return changed
}

// free counts the messages that nobody has and somebody could have.
func (s *state) free() (n int) {
	busy := s.busy("")
	for _, o := range s.Open {
		if o.Holder == "" && !busy[o.Key] {
			n++
			if o.Key != 0 {
				busy[o.Key] = true
			}
		}
	}
	return n
}

// hash is a key's, 0 for none. Two keys that share one wait for each other, and
// that is all.
func hash(key string) uint32 {
	if key == "" {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return max(h.Sum32(), 1)
}
