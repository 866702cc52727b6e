package ecs

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/seguehq/segue/internal/deploy"
)

// longestStop is what Fargate gives a container after its signal.
const longestStop = 120 * time.Second

// task is the task definition: one container, alone.
func (r *renderer) task() *ecs.RegisterTaskDefinitionInput {
	r.size()
	arch := types.CPUArchitectureX8664
	if r.set.Architecture == "arm64" {
		arch = types.CPUArchitectureArm64
	}
	return &ecs.RegisterTaskDefinitionInput{
		Family:                  aws.String(r.spec.Name),
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		NetworkMode:             types.NetworkModeAwsvpc,
		RuntimePlatform:         &types.RuntimePlatform{OperatingSystemFamily: types.OSFamilyLinux, CpuArchitecture: arch},
		Cpu:                     aws.String(strconv.Itoa(r.set.CPU)),
		Memory:                  aws.String(strconv.Itoa(r.set.Memory)),
		ExecutionRoleArn:        optional(r.set.ExecutionRole),
		TaskRoleArn:             optional(r.set.TaskRole),
		ContainerDefinitions:    []types.ContainerDefinition{r.container()},
		Tags:                    r.tags(),
	}
}

func (r *renderer) container() types.ContainerDefinition {
	user := strconv.FormatInt(r.set.User, 10)
	env, secrets := r.environment()
	c := types.ContainerDefinition{
		Name:                   aws.String(r.spec.Name),
		Image:                  aws.String(r.image()),
		Essential:              aws.Bool(true),
		EntryPoint:             r.command(env),
		Environment:            env,
		Secrets:                secrets,
		User:                   aws.String(user + ":" + user),
		ReadonlyRootFilesystem: aws.Bool(true),
		StopTimeout:            aws.Int32(seconds(r.stopTimeout())),
		HealthCheck:            r.health(),
		LogConfiguration:       r.logs(),
		LinuxParameters: &types.LinuxParameters{
			// The program is not process 1, which would ignore signals that it does
			// not handle, and orphans are reaped.
			InitProcessEnabled: aws.Bool(true),
			Tmpfs:              r.writable(),
		},
	}
	if port := r.spec.ContainerPort(); port > 0 {
		c.PortMappings = []types.PortMapping{{
			ContainerPort: aws.Int32(int32(port)), Protocol: types.TransportProtocolTcp, Name: aws.String("main"),
		}}
	}
	return c
}

func (r *renderer) image() string {
	switch {
	case r.o.Image != "":
		return r.o.Image
	case r.set.Image != "":
		return r.set.Image
	case r.set.Repository != "":
		r.note("image: `segue deploy` pushes it and puts its digest here; before you use these files, replace the tag %q", latest)
		return r.set.Repository + ":" + latest
	}
	r.fault("ecs.image", "write ecs: {repository: …} for one that Segue builds and pushes, or image: for one that is there",
		"nothing says which image the tasks run")
	return ""
}

const latest = "latest"

// command is the container's entry point: whatever the image would run is put
// aside, as in the other engines. ECS expands no variables.
func (r *renderer) command(env []types.KeyValuePair) []string {
	argv := r.o.Argv
	if argv == nil {
		argv = r.spec.Command
	}
	vars := deploy.Environment{}
	for _, kv := range env {
		vars[*kv.Name] = *kv.Value
	}
	shell := len(argv) > 1 && slices.Contains([]string{"sh", "bash", "dash", "ash"}, path.Base(argv[0]))
	out := make([]string, len(argv))
	for i, word := range argv {
		out[i] = deploy.Expand(word, vars)
		if name := r.secretIn(out[i]); name != "" && !shell {
			r.fault("release.command", "have the program read it from its environment, or call the variable plain under ecs.plain if it is no secret",
				"it holds $%s, which ECS does not expand, and which is kept out of the task definition", name)
		}
	}
	return out
}

// secretIn is the name of a secret variable that a word refers to.
func (r *renderer) secretIn(word string) string {
	for _, name := range r.names() {
		if !slices.Contains(r.set.Plain, name) && deploy.Expand(word, deploy.Environment{name: ""}) != word {
			return name
		}
	}
	return ""
}

// names are those of env, and of secrets that only ECS knows: their values need
// not be where the service is deployed from.
func (r *renderer) names() []string {
	names := slices.AppendSeq(slices.Clone(r.spec.EnvNames), maps.Keys(r.set.Secrets))
	slices.Sort(names)
	return slices.Compact(names)
}

// environment gives the variables in clear, and those that ECS gets elsewhere
// when a task starts.
func (r *renderer) environment() (env []types.KeyValuePair, secrets []types.Secret) {
	clear := map[string]string{"SEGUE_SERVICE": r.spec.Name}
	if port := r.spec.ContainerPort(); port > 0 {
		clear["PORT"] = strconv.Itoa(port)
	}
	var missing []string
	for _, name := range r.names() {
		switch from, ok := r.set.Secrets[name]; {
		case ok:
			secrets = append(secrets, types.Secret{Name: aws.String(name), ValueFrom: aws.String(from)})
		case slices.Contains(r.set.Plain, name):
			clear[name] = r.o.Env[name]
		default:
			from = path.Join("/", r.spec.Name, name)
			missing = append(missing, from)
			secrets = append(secrets, types.Secret{Name: aws.String(name), ValueFrom: aws.String(from)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(clear)) {
		env = append(env, types.KeyValuePair{Name: aws.String(name), Value: aws.String(clear[name])})
	}
	if len(missing) > 0 {
		r.note("env: values are no part of a task definition, which many may read. Tasks read them when they start from SSM parameters that must be there: %s (aws ssm put-parameter --type SecureString --name … --value …). Other places are named under ecs.secrets; what is no secret, under ecs.plain",
			strings.Join(missing, ", "))
	}
	if len(secrets) > 0 {
		r.note("env: a release keeps where its secrets are, not their values: a value that was changed stays so after a rollback. Give a new value a new name, if that matters")
		r.needsRole("secrets")
	}
	return env, secrets
}

func (r *renderer) needsRole(what string) {
	if r.set.ExecutionRole == "" {
		r.fault("ecs.execution_role", "name a role with the policy AmazonECSTaskExecutionRolePolicy, and with leave to read the secrets (ssm:GetParameters, secretsmanager:GetSecretValue, kms:Decrypt)",
			"Fargate needs a role that may fetch the %s", what)
	}
}

// stopTimeout is what the program gets after its signal. Behind a balancer its
// exchanges have ended by then; it gets the time for them all the same, as in
// the other engines, for connections that the balancer knows nothing of.
func (r *renderer) stopTimeout() time.Duration {
	grace := r.spec.GraceTime()
	if grace <= longestStop {
		return grace
	}
	if r.set.TargetGroup != "" && r.spec.Stop.Timeout <= longestStop {
		r.note("stop: Fargate kills a task %s after its signal at the latest, not %s; its requests have ended before, within the target group's deregistration delay",
			longestStop, grace)
		return longestStop
	}
	r.fault("stop.timeout", "lower drain.timeout and stop.timeout, or cut what takes so long into pieces that can be gone on with",
		"drain and stop may take %s, and Fargate kills a task %s after its signal", grace, longestStop)
	return longestStop
}

// health asks the program inside its container, where that needs nothing else in
// the image. Requests by HTTP or TCP are the balancer's to send: an image rarely
// has a client for them.
func (r *renderer) health() *types.HealthCheck {
	p := r.spec.Probes.Liveness
	if p == nil || len(p.Exec) == 0 {
		p = r.spec.Probes.Readiness
	}
	if p == nil || len(p.Exec) == 0 {
		if p != nil || r.spec.Probes.Liveness != nil {
			r.unasked()
		}
		return nil
	}
	return &types.HealthCheck{
		Command:     append([]string{"CMD"}, p.Exec...),
		Interval:    aws.Int32(within(seconds(p.Every), 5, 300)),
		Timeout:     aws.Int32(within(seconds(p.Timeout), 2, 60)),
		Retries:     aws.Int32(within(int32(p.Failures), 1, 10)),
		StartPeriod: aws.Int32(within(seconds(r.spec.StartTime()), 0, 300)),
	}
}

func (r *renderer) unasked() {
	if r.set.TargetGroup == "" {
		r.note("probes: without a target group nobody asks by http or tcp; ECS takes a task for healthy 40s after it has started. An exec probe is asked inside the container")
	}
}

func (r *renderer) logs() *types.LogConfiguration {
	if r.set.LogGroup == "" {
		r.note("logs: nothing keeps what the tasks write; name a log group under ecs.log_group")
		return nil
	}
	r.needsRole("log group")
	options := map[string]string{
		"awslogs-group":         r.set.LogGroup,
		"awslogs-stream-prefix": r.spec.Name,
		// A program that writes does not wait for CloudWatch, which may be away.
		"mode":            "non-blocking",
		"max-buffer-size": "4m",
	}
	if r.set.Region != "" {
		options["awslogs-region"] = r.set.Region
	} else {
		r.fault("ecs.region", "name it", "the log driver must be told the region")
	}
	return &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: options}
}

// writable are folders in memory, which anybody in the container may write. A
// volume would belong to root.
func (r *renderer) writable() []types.Tmpfs {
	var out []types.Tmpfs
	for _, folder := range r.set.Writable {
		out = append(out, types.Tmpfs{
			ContainerPath: aws.String(folder), Size: int32(r.set.Memory / 4),
			MountOptions: []string{"rw", "nosuid", "nodev"},
		})
	}
	return out
}

func (r *renderer) tags() []types.Tag {
	return []types.Tag{tag(tagManager, manager)}
}

func tag(key, value string) types.Tag {
	return types.Tag{Key: aws.String(key), Value: aws.String(value)}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// seconds rounds up: a little more time loses nothing.
func seconds(d time.Duration) int32 { return int32((d + time.Second - 1) / time.Second) }

// minutes rounds up.
func minutes(d time.Duration) int32 { return int32((d + time.Minute - 1) / time.Minute) }

func within(n, least, most int32) int32 { return min(max(n, least), most) }
