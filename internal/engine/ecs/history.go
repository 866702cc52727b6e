package ecs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/seguehq/segue/internal/deploy"
)

// atOnce is how many deployments or revisions ECS describes in one answer.
const atOnce = 20

// History is what became of the service's deployments, the newest first, for the
// 90 days that ECS keeps them. Who and why are those of the release, which its
// task definition tells; who has gone back to it is CloudTrail's to tell.
func (c *Cluster) History(ctx context.Context, service string, most int) ([]deploy.Rollout, error) {
	briefs, err := c.deployments(ctx, service, most)
	if err != nil {
		return nil, err
	}
	var arns []string
	for _, b := range briefs {
		arns = append(arns, aws.ToString(b.ServiceDeploymentArn))
	}
	all, err := c.details(ctx, service, arns)
	if err != nil {
		return nil, err
	}
	definitions, err := c.revisions(ctx, service, all)
	if err != nil {
		return nil, err
	}
	var out []deploy.Rollout
	made := map[string]map[string]string{}
	for _, d := range all {
		r := rolloutOf(service, d, definitions)
		if r.To > 0 {
			name := fmt.Sprintf("%s:%d", service, r.To)
			if made[name] == nil {
				_, made[name], _ = c.definition(ctx, name) // a revision that was deleted tells nothing
			}
			r.Who, r.Why = made[name][tagWho], made[name][tagWhy]
		}
		out = append(out, r)
	}
	return out, nil
}

func rolloutOf(service string, d types.ServiceDeployment, definitions map[string]string) deploy.Rollout {
	r := deploy.Rollout{Service: service, Kind: deploy.KindDeploy, Phase: deploy.Forward, Began: aws.ToTime(d.CreatedAt), Ended: aws.ToTime(d.FinishedAt)}
	if t := d.TargetServiceRevision; t != nil {
		r.To = release(definitions[aws.ToString(t.Arn)])
	}
	if len(d.SourceServiceRevisions) > 0 {
		r.From = release(definitions[aws.ToString(d.SourceServiceRevisions[0].Arn)])
	}
	r.ID = int64(r.To)
	switch {
	case r.From == r.To:
		r.Kind = deploy.KindRestart
	case r.To < r.From:
		r.Kind = deploy.KindRollback
	}
	switch d.Status {
	case types.ServiceDeploymentStatusSuccessful:
		r.Phase = deploy.Done
	case types.ServiceDeploymentStatusRollbackRequested, types.ServiceDeploymentStatusRollbackInProgress:
		r.Phase = deploy.Backward
	case types.ServiceDeploymentStatusRollbackSuccessful, types.ServiceDeploymentStatusRollbackFailed, types.ServiceDeploymentStatusStopped:
		r.Phase = deploy.RolledBack
	}
	if r.Phase != deploy.Done {
		r.Reason = aws.ToString(d.StatusReason)
	}
	return r
}

func (c *Cluster) details(ctx context.Context, service string, arns []string) ([]types.ServiceDeployment, error) {
	var all []types.ServiceDeployment
	for part := range slices.Chunk(arns, atOnce) {
		out, err := c.api.DescribeServiceDeployments(ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: part})
		if err != nil {
			return nil, c.explain(err, "DescribeServiceDeployments", service)
		}
		all = append(all, out.ServiceDeployments...)
	}
	slices.SortStableFunc(all, func(a, b types.ServiceDeployment) int {
		return aws.ToTime(b.CreatedAt).Compare(aws.ToTime(a.CreatedAt))
	})
	return all, nil
}

// revisions gives the task definitions of the service revisions that the
// deployments are from and to.
func (c *Cluster) revisions(ctx context.Context, service string, all []types.ServiceDeployment) (map[string]string, error) {
	var arns []string
	for _, d := range all {
		if d.TargetServiceRevision != nil {
			arns = append(arns, aws.ToString(d.TargetServiceRevision.Arn))
		}
		for _, s := range d.SourceServiceRevisions {
			arns = append(arns, aws.ToString(s.Arn))
		}
	}
	slices.Sort(arns)
	definitions := map[string]string{}
	for part := range slices.Chunk(slices.Compact(arns), atOnce) {
		out, err := c.api.DescribeServiceRevisions(ctx, &ecs.DescribeServiceRevisionsInput{ServiceRevisionArns: part})
		if err != nil {
			return nil, c.explain(err, "DescribeServiceRevisions", service)
		}
		for _, r := range out.ServiceRevisions {
			definitions[aws.ToString(r.ServiceRevisionArn)] = aws.ToString(r.TaskDefinition)
		}
	}
	return definitions, nil
}

// A Release is an active revision of the service's task definition.
type Release struct {
	Service string    `json:"service"`
	Number  int       `json:"number"`
	Image   string    `json:"image"`
	Made    time.Time `json:"made"`
	Who     string    `json:"who,omitempty"`
	Why     string    `json:"why,omitempty"`
	Serving bool      `json:"serving"`
}

// Releases are the last ones, the newest first.
func (c *Cluster) Releases(ctx context.Context, service string, most int) ([]Release, error) {
	s, err := c.find(ctx, service)
	if err != nil {
		return nil, err
	}
	list, err := c.api.ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{FamilyPrefix: &service, Sort: types.SortOrderDesc,
		Status: types.TaskDefinitionStatusActive, MaxResults: aws.Int32(int32(min(max(most, 1), 100)))})
	if err != nil {
		return nil, c.explain(err, "ListTaskDefinitions", service)
	}
	var out []Release
	for _, arn := range list.TaskDefinitionArns {
		d, tags, err := c.definition(ctx, arn)
		if err != nil {
			return nil, err
		}
		r := Release{Service: service, Number: int(d.Revision), Made: aws.ToTime(d.RegisteredAt), Who: tags[tagWho], Why: tags[tagWhy],
			Serving: s != nil && aws.ToString(s.TaskDefinition) == arn}
		if len(d.ContainerDefinitions) > 0 {
			r.Image = aws.ToString(d.ContainerDefinitions[0].Image)
		}
		out = append(out, r)
	}
	return out, nil
}

// family is the task definition's name without its revision.
func family(s *types.Service) string {
	name := aws.ToString(s.TaskDefinition)
	name = name[strings.LastIndexByte(name, '/')+1:]
	before, _, _ := strings.Cut(name, ":")
	return before
}
