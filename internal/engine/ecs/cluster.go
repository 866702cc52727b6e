package ecs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Place is a cluster of ECS; the zero one is the cluster "default" where the
// environment says (AWS_REGION, AWS_PROFILE, ~/.aws/config).
type Place struct {
	Region  string
	Cluster string // name or ARN
}

// A Cluster is asked and commanded with the user's own credentials. It may be
// used by several goroutines.
type Cluster struct {
	Name   string // or ARN
	Region string

	api   *ecs.Client
	every time.Duration // the longest between two looks: ECS tells nobody by itself
}

// lookEvery is well within what AWS allows of an account: 20 requests in a
// second for each kind, which everybody shares.
const lookEvery = 3 * time.Second

// Open finds region and credentials, and asks ECS nothing yet. Its errors say
// how they can be given.
func Open(ctx context.Context, p Place) (*Cluster, error) {
	options := []func(*config.LoadOptions) error{}
	if p.Region != "" {
		options = append(options, config.WithRegion(p.Region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("AWS' configuration cannot be read: %w; see ~/.aws/config, AWS_PROFILE and AWS_CONFIG_FILE", err)
	}
	if cfg.Region == "" {
		return nil, errors.New("nothing says which AWS region: write ecs: {region: eu-central-1}, or set AWS_REGION")
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return nil, fmt.Errorf("there are no AWS credentials: %w; run `aws sso login` or `aws configure`, or set AWS_PROFILE", err)
	}
	fill(&p.Cluster, "default")
	return &Cluster{Name: p.Cluster, Region: cfg.Region, api: ecs.NewFromConfig(cfg), every: lookEvery}, nil
}

// find gives a service, or nil if the cluster has none of that name.
func (c *Cluster) find(ctx context.Context, service string) (*types.Service, error) {
	out, err := c.api.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &c.Name, Services: []string{service}})
	if err != nil {
		return nil, c.explain(err, "DescribeServices", service)
	}
	for _, s := range out.Services {
		if aws.ToString(s.Status) != "INACTIVE" {
			return &s, nil
		}
	}
	return nil, nil
}

// have is find for who needs the service to be there.
func (c *Cluster) have(ctx context.Context, service string) (*types.Service, error) {
	s, err := c.find(ctx, service)
	if err == nil && s == nil {
		err = fmt.Errorf("the ECS cluster %s in %s has no service %s; `segue deploy --to ecs` makes it", c.Name, c.Region, service)
	}
	return s, err
}

// newest is the service's last deployment; nil if there was none yet.
func (c *Cluster) newest(ctx context.Context, service string) (*types.ServiceDeploymentBrief, error) {
	all, err := c.deployments(ctx, service, 1)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// deployments are the service's last ones, the newest first. ECS keeps them for
// 90 days.
func (c *Cluster) deployments(ctx context.Context, service string, most int) ([]types.ServiceDeploymentBrief, error) {
	var all []types.ServiceDeploymentBrief
	in := &ecs.ListServiceDeploymentsInput{Cluster: &c.Name, Service: &service}
	for {
		in.MaxResults = aws.Int32(int32(min(max(most-len(all), 1), 100)))
		out, err := c.api.ListServiceDeployments(ctx, in)
		if err != nil {
			return nil, c.explain(err, "ListServiceDeployments", service)
		}
		all = append(all, out.ServiceDeployments...)
		if in.NextToken = out.NextToken; in.NextToken == nil || len(all) >= most {
			return all[:min(len(all), most)], nil
		}
	}
}

// deployment is all that ECS says of one.
func (c *Cluster) deployment(ctx context.Context, arn string) (*types.ServiceDeployment, error) {
	out, err := c.api.DescribeServiceDeployments(ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{arn}})
	if err != nil {
		return nil, c.explain(err, "DescribeServiceDeployments", arn)
	}
	if len(out.ServiceDeployments) == 0 {
		return nil, fmt.Errorf("ECS knows nothing of the deployment %s", arn)
	}
	return &out.ServiceDeployments[0], nil
}

// rest waits until it is time for another look: soon at first, since much of
// what goes wrong does so at once. looks is how many there were.
func (c *Cluster) rest(ctx context.Context, looks int) error {
	t := time.NewTimer(min(c.every, 500*time.Millisecond*time.Duration(looks)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ErrLeft
	}
}

func over(s types.ServiceDeploymentStatus) bool {
	switch s {
	case types.ServiceDeploymentStatusSuccessful, types.ServiceDeploymentStatusStopped,
		types.ServiceDeploymentStatusRollbackSuccessful, types.ServiceDeploymentStatusRollbackFailed:
		return true
	}
	return false
}
