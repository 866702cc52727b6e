package rollout

// recreate is for what cannot run twice: the old instances go before the first
// new one comes. Requests that arrive in between are held by the proxy, within
// its bounds, and answered by the new release, or by the old one if that has to
// come back.
func (p *plan) recreate() {
	p.hooks("hooks between", p.spec.Hooks.Between, Stage{})
	p.add(Stage{Name: "recreate", New: p.r.Replicas})
	p.bake()
}
