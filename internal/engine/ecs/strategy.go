package ecs

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/seguehq/segue/internal/deploy"
)

// What ECS knows of steps, in minutes and per cent.
const (
	longestBake = 1440
	leastLinear = 3.0
)

// beside has ECS set up the new revision beside the old one, and shift the
// requests between their target groups.
func (r *renderer) beside(c *types.DeploymentConfiguration) {
	s := r.spec.Strategy
	if r.set.TargetGroup == "" || r.set.AlternateTargetGroup == "" || r.set.ListenerRule == "" || r.set.BalancerRole == "" {
		r.fault("strategy.type", "name ecs.target_group, alternate_target_group, listener_rule and balancer_role (with the policy AmazonECSInfrastructureRolePolicyForLoadBalancers), or choose rolling",
			"for %s ECS shifts requests between two target groups, and must be told which", s.Type)
	}
	c.BakeTimeInMinutes = aws.Int32(within(minutes(s.Bake), 0, longestBake))
	manual := s.Manual
	if s.Type == deploy.BlueGreen {
		c.Strategy = types.DeploymentStrategyBlueGreen
	} else {
		manual = r.steps(c)
	}
	if manual {
		c.LifecycleHooks = []types.DeploymentLifecycleHook{{
			TargetType:      types.DeploymentLifecycleHookTargetTypePause,
			LifecycleStages: []types.DeploymentLifecycleHookStage{types.DeploymentLifecycleHookStagePreProductionTrafficShift},
		}}
	}
	if len(r.set.Alarms) == 0 {
		r.note("strategy: ECS judges a revision beside the old one by its health checks alone (its circuit breaker is for rolling deploys); name CloudWatch alarms under ecs.alarms, of 5xx answers for one, and it goes back by itself")
	}
	r.preview()
}

func (r *renderer) preview() {
	p := r.spec.Strategy.Preview
	if p != nil && r.set.TestListenerRule == "" {
		r.fault("strategy.preview", "name a listener's rule that leads to the new revision under ecs.test_listener_rule", "on ECS the preview is the load balancer's")
	}
}

func (r *renderer) advanced() *types.AdvancedConfiguration {
	if !r.spec.Strategy.Beside() {
		return nil
	}
	return &types.AdvancedConfiguration{
		AlternateTargetGroupArn: aws.String(r.set.AlternateTargetGroup),
		ProductionListenerRule:  aws.String(r.set.ListenerRule),
		TestListenerRule:        optional(r.set.TestListenerRule),
		RoleArn:                 aws.String(r.set.BalancerRole),
	}
}

// steps puts a canary's steps in ECS' words, which knows one step, or equal
// ones. It reports whether somebody is to promote them.
func (r *renderer) steps(c *types.DeploymentConfiguration) (manual bool) {
	var weights []int
	var waits []time.Duration
	for _, s := range r.spec.Strategy.Steps {
		if s.Weight == 0 {
			r.fault("strategy.steps", "use weights", "on ECS a canary gets a share of the requests, not chosen or copied ones")
			return false
		}
		manual = manual || s.Manual
		if s.Weight < 100 {
			weights, waits = append(weights, s.Weight), append(waits, s.For)
		}
	}
	if manual {
		r.note("strategy.steps: on ECS each shift waits for `segue promote`, the first one, too")
	}
	switch {
	case len(weights) == 0:
		c.Strategy = types.DeploymentStrategyBlueGreen
	case len(weights) == 1:
		c.Strategy = types.DeploymentStrategyCanary
		c.CanaryConfiguration = &types.CanaryConfiguration{
			CanaryPercent: aws.Float64(float64(weights[0])), CanaryBakeTimeInMinutes: aws.Int32(within(minutes(waits[0]), 0, longestBake))}
	case even(weights, waits) && float64(weights[0]) >= leastLinear:
		c.Strategy = types.DeploymentStrategyLinear
		c.LinearConfiguration = &types.LinearConfiguration{
			StepPercent: aws.Float64(float64(weights[0])), StepBakeTimeInMinutes: aws.Int32(within(minutes(waits[0]), 0, longestBake))}
	default:
		r.fault("strategy.steps", "write one step (10%), or equal ones of 3% at least and of the same time (25%, 50%, 75%)", "ECS knows no canary of these steps")
	}
	return manual
}

// even reports whether the weights grow by the same each time up to 100, and
// wait as long each time.
func even(weights []int, waits []time.Duration) bool {
	for i, w := range weights {
		if w != weights[0]*(i+1) || waits[i] != waits[0] {
			return false
		}
	}
	return weights[0]*(len(weights)+1) >= 100
}
