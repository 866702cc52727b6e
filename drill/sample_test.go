package drill

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"time"
)

// sample makes up the result of a drill around a rolling deploy with the given
// number of losses, as a real one would look like.
func sample(losses int) *Result {
	p := Plan{
		Label: "segue deploy", URL: "http://ann:x@shop.example:8080/cart?token=1&page=2", Rate: 200, Mix: Mix{0.5, 0.4, 0.1},
		Header: map[string][]string{"Authorization": {"Bearer x"}, "Accept": {"*/*"}},
		Expect: Expect{BodyContains: "cart"},
	}
	d, err := New(p)
	if err != nil {
		panic(err)
	}
	d.start = time.Date(2026, 11, 21, 16, 0, 0, 0, time.UTC)
	s := simulation{d: d, rnd: rand.New(rand.NewPCG(1, 2)), lose: losses}
	for _, m := range []Mark{
		{15e9, "command begins"}, {15.4e9, "start b1"}, {18.2e9, "b1 ready"}, {18.3e9, "drain a1"}, {19.9e9, "a1 stopped"},
		{20e9, "start b2"}, {22.8e9, "b2 ready"}, {22.9e9, "drain a2"}, {24.4e9, "a2 stopped"}, {24.5e9, "start b3"},
		{27.2e9, "b3 ready"}, {27.3e9, "drain a3"}, {29.1e9, "a3 stopped"}, {33e9, "release 3: start c1"}, {38e9, "c1 not ready, rolling back"},
		{42e9, "command ended"},
	} {
		d.recorder.mark(m)
	}
	d.recorder.phase("before", 0)
	d.recorder.phase("during", 15*time.Second)
	d.recorder.phase("after", 42*time.Second)
	s.run(62 * time.Second)
	r := d.result(62*time.Second, 14*time.Second)
	r.End = r.Start.Add(62010 * time.Millisecond)
	r.Environment.Host = "build-7"
	return r
}

type simulation struct {
	d    *Drill
	rnd  *rand.Rand
	lose int
}

func (s *simulation) run(length time.Duration) {
	pick := s.d.chooser()
	for n := int64(1); ; n++ {
		j := pick()
		j.n, j.due = n, time.Duration(n-1)*time.Second/200
		if j.due >= length {
			return
		}
		j.id, j.phase = fmt.Sprintf("%s-%d", s.d.id, n), s.d.recorder.phaseAt(j.due)
		o := s.outcome(j)
		j.late = time.Duration(s.rnd.ExpFloat64() * float64(60*time.Microsecond))
		s.d.recorder.add(j, &o)
	}
}

func (s *simulation) outcome(j job) outcome {
	base, share := 0.9, 0.0
	at := j.due.Seconds()
	for _, shift := range []float64{18.2, 22.8, 27.2} {
		if at > shift {
			share += 1.0 / 3
		}
		if d := at - shift; d > 0 && d < 1.5 {
			base += 5 * (1.5 - d)
		}
	}
	o := outcome{proto: "HTTP/1.1", status: 200, release: "41", took: time.Duration(base * math.Exp(s.rnd.NormFloat64()*0.5) * float64(time.Millisecond))}
	if s.rnd.Float64() < share {
		o.release = "42"
	}
	if at > 35 && at < 38 && s.rnd.Float64() < 0.06 {
		o.release = "43"
	}
	o.conn = connUse{id: j.n % 900, age: time.Duration(s.rnd.IntN(9000)) * time.Millisecond, ordin: 1 + s.rnd.IntN(80), local: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 40000 + int(j.n%900)}}
	if j.mode == Fresh {
		o.conn.ordin, o.conn.age = 1, 0
	}
	s.maybeLose(j, &o)
	return o
}

func (s *simulation) maybeLose(j job, o *outcome) {
	at := j.due.Seconds()
	if s.lose == 0 || !(at > 19.9 && at < 20.3 || at > 24.4 && at < 24.7 || at > 36 && at < 36.3) || s.rnd.Float64() > 0.12 {
		return
	}
	s.lose--
	switch {
	case at > 36:
		o.status, o.retryAfter = 503, "1"
		o.lose(Unavailable, text("status 503, expected 200-399"))
	case j.mode == Fresh:
		o.conn = connUse{id: o.conn.id}
		o.status, o.release = 0, ""
		o.lose(Refused, errors.New("dial tcp 10.0.0.5:8080: connect: connection refused"))
	case j.mode == KeptAlive:
		o.status, o.release = 0, ""
		o.lose(EOFReused, errors.New("EOF"))
	default:
		o.status, o.release = 0, ""
		o.lose(GoAway, errors.New("EOF"))
	}
}
