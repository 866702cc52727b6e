package ecs

import (
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/seguehq/segue/internal/deploy"
)

// defaultStart is what a program without a startup probe gets to start in.
const defaultStart = 30 * time.Second

// TargetGroupAttributes is the input of elbv2's ModifyTargetGroupAttributes,
// which the AWS CLI takes (aws elbv2 modify-target-group-attributes
// --cli-input-json).
type TargetGroupAttributes struct {
	TargetGroupArn string
	Attributes     []Attribute
}

// An Attribute is one of a target group.
type Attribute struct{ Key, Value string }

// TargetGroupHealth is the input of elbv2's ModifyTargetGroup, likewise.
type TargetGroupHealth struct {
	TargetGroupArn             string
	HealthCheckEnabled         *bool
	HealthCheckProtocol        string `json:",omitempty"`
	HealthCheckPath            string `json:",omitempty"`
	HealthCheckIntervalSeconds *int32
	HealthCheckTimeoutSeconds  *int32
	HealthyThresholdCount      *int32
	UnhealthyThresholdCount    *int32
	Matcher                    *Matcher `json:",omitempty"`
}

// A Matcher says which answers are healthy ones.
type Matcher struct {
	HttpCode string `json:",omitempty"` //nolint // as the API spells it
}

// balancers are the service's place behind its load balancer.
func (r *renderer) balancers() []types.LoadBalancer {
	if r.set.TargetGroup == "" {
		if !r.spec.Worker() {
			r.note("listen: no load balancer is in front (ecs.target_group), so nobody takes a task out before it gets its signal; the program must serve on for %s after it, as Segue's lifecycle package does with a delay",
				r.spec.DeregistrationTime())
		}
		return nil
	}
	if r.spec.Worker() {
		r.fault("ecs.target_group", "take it out, or give the service a listen address", "this service is a worker, so no request reaches it")
		return nil
	}
	return []types.LoadBalancer{{
		TargetGroupArn:        aws.String(r.set.TargetGroup),
		ContainerName:         aws.String(r.spec.Name),
		ContainerPort:         aws.Int32(int32(r.spec.ContainerPort())),
		AdvancedConfiguration: r.advanced(),
	}}
}

// targetGroups are the settings by which the target groups let requests end.
func (r *renderer) targetGroups() (attributes []TargetGroupAttributes, checks []TargetGroupHealth) {
	if r.set.TargetGroup == "" || r.spec.Worker() {
		return nil, nil
	}
	delay := strconv.Itoa(int(within(seconds(r.spec.BalancerDelay()), 0, 3600)))
	groups := []string{r.set.TargetGroup}
	if r.set.AlternateTargetGroup != "" {
		groups = append(groups, r.set.AlternateTargetGroup)
	}
	for _, arn := range groups {
		attributes = append(attributes, TargetGroupAttributes{TargetGroupArn: arn,
			Attributes: []Attribute{{"deregistration_delay.timeout_seconds", delay}}})
		checks = append(checks, r.healthOf(arn))
	}
	r.note("target group: how long it waits for requests of a task that leaves is its own setting, which ECS leaves as it is (300s unless somebody has changed it): it must be %ss, see the file", delay)
	return attributes, checks
}

// healthOf has the balancer ask what the readiness probe does, within what a
// load balancer can.
func (r *renderer) healthOf(arn string) TargetGroupHealth {
	p := r.spec.Probes.Readiness
	if p == nil {
		p = &deploy.Probe{TCP: true, Every: 10 * time.Second, Timeout: 5 * time.Second, Failures: 3, Successes: 2}
	}
	every := within(seconds(p.Every), 5, 300)
	h := TargetGroupHealth{
		TargetGroupArn: arn, HealthCheckEnabled: aws.Bool(true), HealthCheckProtocol: "HTTP",
		HealthCheckIntervalSeconds: aws.Int32(every),
		HealthCheckTimeoutSeconds:  aws.Int32(min(within(seconds(p.Timeout), 2, 120), every-1)),
		HealthyThresholdCount:      aws.Int32(within(int32(p.Successes), 2, 10)),
		UnhealthyThresholdCount:    aws.Int32(within(int32(p.Failures), 2, 10)),
	}
	switch {
	case p.HTTP != "":
		h.HealthCheckPath, h.Matcher = p.HTTP, &Matcher{"200-299"}
	case r.spec.Proxy.Protocol == deploy.TCP:
		h.HealthCheckProtocol = "TCP"
	default: // an Application Load Balancer asks by HTTP alone: any answer shows that it listens
		h.HealthCheckPath, h.Matcher = "/", &Matcher{"200-499"}
	}
	return h
}
