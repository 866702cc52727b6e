package rollout

// rolling replaces the instances a few at a time: never more than Surge above,
// never more than Unavailable below what is wanted. When the new release is to
// be compared with the old one, or hooks stand between, the first new instances
// serve beside the old ones until that is done.
func (p *plan) rolling() {
	some := Stage{Name: "first instances", New: max(1, p.strategy.Surge), Old: p.r.Before}
	if p.strategy.Surge == 0 {
		some.New = max(1, p.strategy.Unavailable)
		some.Old = max(0, p.r.Before-some.New)
	}
	some.New = min(some.New, p.r.Replicas)
	some.Hooks = p.spec.Hooks.Between
	if some = p.judged(some, true); some.waits() {
		p.add(some)
	}
	p.add(Stage{Name: "all instances", New: p.r.Replicas, Old: p.stays()})
	p.bake()
	if p.stays() > 0 {
		p.stay()
		p.leaving("old release leaves")
	}
}
