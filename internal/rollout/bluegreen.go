package rollout

// blueGreen starts the whole new side beside the old one, which serves on. The
// new side can be tested by those who know the way (the preview), by hooks and by
// checks, and waits for somebody's word if the strategy says so. One switch then
// gives it all requests. The old side is kept until the new one has proved
// itself: until then going back is one switch as well.
func (p *plan) blueGreen() {
	both := Stage{New: p.r.Replicas, Old: p.r.Before, Split: true}

	idle := both
	idle.Name, idle.Preview = "new side", true
	idle.Hooks, idle.Manual = p.spec.Hooks.Between, p.strategy.Manual
	p.add(p.judged(idle, false))

	switched := both
	switched.Name, switched.Share = "switch", 100
	p.add(p.proving(switched))

	p.stay()
	p.leaving("old side leaves")
}
