package deploy

import (
	"net"
	"strconv"
	"time"
)

// ECS is what a Service needs to run on Amazon ECS, beyond what it needs
// anywhere. On one machine nobody reads it.
type ECS struct {
	Region         string   `json:"region,omitempty"`  // "" of the environment
	Cluster        string   `json:"cluster,omitempty"` // "" "default"
	Image          string   `json:"image,omitempty"`   // as Kubernetes.Image
	Repository     string   `json:"repository,omitempty"`
	Base           string   `json:"base,omitempty"`
	Subnets        []string `json:"subnets,omitempty"`
	SecurityGroups []string `json:"security_groups,omitempty"`
	PublicIP       bool     `json:"public_ip,omitempty"`    // for subnets without a NAT gateway or endpoints
	TargetGroup    string   `json:"target_group,omitempty"` // ARN; "" the tasks are behind no load balancer
	ExecutionRole  string   `json:"execution_role,omitempty"`
	TaskRole       string   `json:"task_role,omitempty"`
	CPU            int      `json:"cpu,omitempty"`          // units of a task, 1024 to a core; 0: 256
	Memory         int      `json:"memory,omitempty"`       // MiB of a task; 0: 512
	Architecture   string   `json:"architecture,omitempty"` // "arm64"; "" x86_64
	LogGroup       string   `json:"log_group,omitempty"`

	// Secrets say where the values of environment variables are: by the
	// variable's name the ARN of a secret of Secrets Manager, or the ARN or name
	// of a parameter of SSM. One that is neither here nor in Plain is the
	// parameter /SERVICE/NAME.
	Secrets map[string]string `json:"secrets,omitempty"`
	// Plain are the variables whose values are no secret, and stand in the task
	// definition for everybody to read.
	Plain []string `json:"plain,omitempty"`

	User     int64    `json:"user,omitempty"`     // and group; 0: 65532
	Writable []string `json:"writable,omitempty"` // as Kubernetes.Writable; each takes up to a quarter of the task's memory

	Alarms []string `json:"alarms,omitempty"` // of CloudWatch: one that goes off undoes a deploy

	// Of BlueGreen and Canary, all ARNs: the second target group; the listener's
	// rule that leads to the first (of a Network Load Balancer the listener); the
	// one for Preview, "" none; and the role by which ECS changes them.
	AlternateTargetGroup string `json:"alternate_target_group,omitempty"`
	ListenerRule         string `json:"listener_rule,omitempty"`
	TestListenerRule     string `json:"test_listener_rule,omitempty"`
	BalancerRole         string `json:"balancer_role,omitempty"`
}

// BalancerDelay is how long a load balancer may send requests to a task, and
// lets those in flight go on, after it was told to take it out: the target
// group's deregistration delay. ECS signals the task when it is over.
func (s *Service) BalancerDelay() time.Duration {
	return max(deregisterBalancer, s.Drain.Delay+s.DrainTime())
}

// GraceTime is how long an Instance may go on after its stop signal where
// nobody has drained it before: it finishes its exchanges, and then itself.
func (s *Service) GraceTime() time.Duration { return s.DrainTime() + s.Stop.Timeout }

// StartTime is how long an Instance may take to start, by its startup probe;
// zero if there is none.
func (s *Service) StartTime() time.Duration {
	p := s.Probes.Startup
	if p == nil {
		return 0
	}
	return time.Duration(p.Failures) * p.Every
}

// ContainerPort is $PORT of an Instance that has a network of its own: the port
// of the first address, or 8080 where only root could listen on that one. Zero
// for a worker.
func (s *Service) ContainerPort() int {
	if s.Worker() {
		return 0
	}
	_, port, err := net.SplitHostPort(s.Listen[0])
	n, bad := strconv.Atoi(port)
	if err != nil || bad != nil || n < 1024 {
		return 8080
	}
	return n
}
