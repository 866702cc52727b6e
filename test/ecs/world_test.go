// Package ecs tests what users of services on Amazon ECS see. There is no AWS
// here: segue and the AWS CLI ask a server that answers in the shapes of ECS'
// API, and what is rendered is held to AWS' published model of it.
package ecs

import (
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/engine/ecs/ecstest"
	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// world is a project whose services run on ECS.
type world struct {
	*harness.World
	server *ecstest.Server
	url    string
}

const file = `services:
  shop:
    engine: ecs
    listen: :8080
    release: {command: "/bin/shop -listen :$PORT"}
    replicas: 3
    env: {TOKEN: hush}
    probes: {readiness: {http: /ready}}
    strategy: {type: rolling, surge: 1}
    ecs:
      image: registry.example.com/shop:1
      cluster: prod
      subnets: [subnet-1, subnet-2]
      security_groups: sg-1
      target_group: arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/shop/1
      execution_role: arn:aws:iam::111122223333:role/execution
`

func newWorld(t *testing.T) *world {
	w := &world{harness.NewWith(t, harness.SegueFast(t)), &ecstest.Server{}, ""}
	server := httptest.NewServer(w.server)
	t.Cleanup(server.Close)
	w.url = server.URL
	none := filepath.Join(t.TempDir(), "none")
	w.Env = append(w.Env, "AWS_ENDPOINT_URL="+server.URL, "AWS_REGION="+ecstest.Region, "AWS_DEFAULT_REGION="+ecstest.Region, // of which the AWS CLI knows the second
		"AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY=example", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+none, "AWS_SHARED_CREDENTIALS_FILE="+none)
	w.Write("segue.yaml", file)
	return w
}

// image has the file name another image, which makes another release.
func (w *world) image(ref string) {
	w.Write("segue.yaml", strings.Replace(file, "registry.example.com/shop:1", ref, 1))
}

// has wants text in what a command has printed.
func has(t *testing.T, r harness.Ran, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.Out+r.Err, text) {
			t.Errorf("%q is missing in:\n%s%s", text, r.Out, r.Err)
		}
	}
}

// pipe runs a program with an input.
func pipe(in []byte, program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.CombinedOutput()
	return string(out), err
}
