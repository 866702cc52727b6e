package rollout

import (
	"fmt"

	"github.com/seguehq/segue/internal/deploy"
)

// canary gives the new release a growing share of the requests. The old one
// stays whole until the end, so that going back is one switch at any time. The
// new one has as many instances as its share needs, which are ready before the
// share grows.
func (p *plan) canary() {
	now := Stage{Old: p.r.Before, Split: true}
	for n, step := range p.strategy.Steps {
		now = p.bring(now, instances(step.Weight, p.r.Replicas))
		if n == 0 {
			p.hooks("hooks between", p.spec.Hooks.Between, now)
		}
		now.Name, now.Match, now.Mirror = "canary "+stepName(step), step.Match, step.Mirror
		if step.Weight > 0 {
			now.Share = step.Weight
		}
		entered := now
		entered.For, entered.Manual = step.For, step.Manual
		// Those who match are others than those who do not: they cannot be compared.
		p.add(p.judged(entered, step.Match == nil))
	}
	now = p.bring(now, p.r.Replicas)
	now.Name, now.Match, now.Mirror, now.Share = "canary 100 %", nil, 0, 100
	p.add(p.proving(now))
	p.stay()
	p.leaving("old release leaves")
}

// bring adds a stage that starts what the next one needs, under the shares that
// are in force.
func (p *plan) bring(now Stage, n int) Stage {
	if n <= now.New {
		return now
	}
	now.New, now.Name = n, fmt.Sprintf("canary instances: %d of %d", n, p.r.Replicas)
	p.add(now)
	return now
}

// instances is how many a share of the requests needs.
func instances(weight, replicas int) int {
	return min(max(1, (weight*replicas+99)/100), replicas)
}

func stepName(s deploy.CanaryStep) string {
	switch {
	case s.Mirror > 0:
		return fmt.Sprintf("mirror %d %%", s.Mirror)
	case s.Match != nil && s.Match.Header != "":
		return "header " + s.Match.Header
	case s.Match != nil:
		return "cookie " + s.Match.Cookie
	}
	return fmt.Sprintf("%d %%", s.Weight)
}
