package ecs

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// hints are what is behind the words of ECS, and how it is mended.
var hints = []struct{ words, mend string }{
	{"CannotPullContainer", "the image is not there under this name, or the task cannot reach the registry: a private subnet needs a NAT gateway or VPC endpoints (ecs.public_ip where neither is), and ecs.execution_role leave to pull"},
	{"unable to pull secrets", "the parameters and secrets of env must be there, and ecs.execution_role must be allowed to read them (ssm:GetParameters, secretsmanager:GetSecretValue, kms:Decrypt)"},
	{"ResourceInitializationError", "something that Fargate sets up first is missing: the log group, a secret, or the way to them"},
	{"failed ELB health checks", "the program does not answer its readiness probe through the load balancer: is its port open in ecs.security_groups, and is probes.startup long enough?"},
	{"failed container health checks", "the exec probe in the container says no"},
	{"OutOfMemory", "the program needs more than ecs.memory"},
	{"exec format error", "the image is for another processor: see ecs.architecture"},
}

// why tells why a task has ended.
func why(t types.Task) string {
	arn := aws.ToString(t.TaskArn)
	text := fmt.Sprintf("task %.8s of release %d has ended: %s", arn[strings.LastIndexByte(arn, '/')+1:], release(aws.ToString(t.TaskDefinitionArn)), aws.ToString(t.StoppedReason))
	for _, c := range t.Containers {
		if c.ExitCode != nil {
			text += fmt.Sprintf("; exit code %d", *c.ExitCode)
			if *c.ExitCode == 137 {
				text += " (killed)"
			}
		}
		if reason := aws.ToString(c.Reason); reason != "" {
			text += "; " + reason
		}
	}
	for _, h := range hints {
		if strings.Contains(text, h.words) {
			return text + "; " + h.mend
		}
	}
	return text
}
