package ecs

import (
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/seguehq/segue/internal/deploy"
)

func (r *renderer) service() *ecs.CreateServiceInput {
	in := &ecs.CreateServiceInput{
		ServiceName:                 aws.String(r.spec.Name),
		Cluster:                     aws.String(r.set.Cluster),
		TaskDefinition:              aws.String(r.spec.Name),
		DesiredCount:                aws.Int32(int32(r.spec.Replicas)),
		LaunchType:                  types.LaunchTypeFargate,
		SchedulingStrategy:          types.SchedulingStrategyReplica,
		AvailabilityZoneRebalancing: types.AvailabilityZoneRebalancingEnabled,
		DeploymentController:        &types.DeploymentController{Type: types.DeploymentControllerTypeEcs},
		DeploymentConfiguration:     r.deployment(),
		NetworkConfiguration:        r.network(),
		LoadBalancers:               r.balancers(),
		EnableECSManagedTags:        true,
		PropagateTags:               types.PropagateTagsTaskDefinition,
		Tags:                        r.tags(),
	}
	if len(in.LoadBalancers) > 0 {
		in.HealthCheckGracePeriodSeconds = aws.Int32(seconds(r.graceful()))
	}
	if in.DeploymentConfiguration.MaximumPercent != nil && *in.DeploymentConfiguration.MaximumPercent <= 100 {
		// Rebalancing starts a task elsewhere before it stops one, which this forbids.
		in.AvailabilityZoneRebalancing = types.AvailabilityZoneRebalancingDisabled
	}
	return in
}

func (r *renderer) network() *types.NetworkConfiguration {
	if len(r.set.Subnets) == 0 {
		r.fault("ecs.subnets", "name subnets in two availability zones at least, or one zone's failure is the service's", "a task on Fargate needs a subnet")
	}
	public := types.AssignPublicIpDisabled
	if r.set.PublicIP {
		public = types.AssignPublicIpEnabled
	}
	return &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
		Subnets: r.set.Subnets, SecurityGroups: r.set.SecurityGroups, AssignPublicIp: public,
	}}
}

// deployment is how ECS goes from one revision to the next.
func (r *renderer) deployment() *types.DeploymentConfiguration {
	s := r.spec.Strategy
	c := &types.DeploymentConfiguration{
		Strategy:              types.DeploymentStrategyRolling,
		MinimumHealthyPercent: aws.Int32(100),
		MaximumPercent:        aws.Int32(200),
	}
	if len(r.set.Alarms) > 0 {
		c.Alarms = &types.DeploymentAlarms{AlarmNames: r.set.Alarms, Enable: true, Rollback: true}
	}
	switch s.Type {
	case deploy.BlueGreen, deploy.Canary:
		r.beside(c)
		return c
	case deploy.Recreate:
		c.MinimumHealthyPercent, c.MaximumPercent = aws.Int32(0), aws.Int32(100)
	default:
		least, most := percents(r.spec.Replicas, s.Surge, s.Unavailable)
		c.MinimumHealthyPercent, c.MaximumPercent = aws.Int32(least), aws.Int32(most)
	}
	if s.Bake > 0 {
		r.note("strategy.bake: a rolling deploy of ECS has none; only blue-green and canary have")
	}
	c.DeploymentCircuitBreaker = &types.DeploymentCircuitBreaker{Enable: true, Rollback: true}
	return c
}

// percents say in ECS' words that between replicas-unavailable and
// replicas+surge tasks run. ECS rounds the least up and the most down. Where no
// whole per cent says it exactly, which takes more than a hundred tasks, more
// tasks run than were asked for, not fewer.
func percents(replicas, surge, unavailable int) (least, most int32) {
	if replicas <= 0 {
		return 100, 200
	}
	n := float64(replicas)
	low := 100 * float64(max(replicas-unavailable, 0)) / n
	least = int32(math.Floor(low))
	if math.Ceil(n*math.Floor(low)/100) < n*low/100-1e-9 {
		least = int32(math.Ceil(low))
	}
	most = int32(math.Ceil(100*float64(replicas+surge)/n - 1e-9))
	return least, min(most, 200) // more than as many again do not come at once
}

// graceful is for how long after its start a task is not judged by the
// balancer's health checks.
func (r *renderer) graceful() time.Duration {
	h := r.healthOf("")
	start := r.spec.StartTime()
	if start == 0 {
		start = defaultStart
	}
	return start + time.Duration(*h.HealthyThresholdCount**h.HealthCheckIntervalSeconds)*time.Second
}
