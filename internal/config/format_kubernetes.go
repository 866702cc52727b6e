package config

type kubernetes struct {
	Context        text          `json:"context,omitempty" jsonschema:"Context of the kubeconfig; absent: the current one."`
	Namespace      text          `json:"namespace,omitempty" jsonschema:"Namespace; absent: the context's own."`
	Image          text          `json:"image,omitempty" jsonschema:"Image that is built elsewhere, such as registry.example.com/shop:1.4. Not with repository."`
	Repository     text          `json:"repository,omitempty" jsonschema:"Repository, such as registry.example.com/shop, where Segue pushes the image that it builds of the release's files."`
	Base           text          `json:"base,omitempty" jsonschema:"Image that the release's files are put on, such as gcr.io/distroless/static:nonroot; absent: none, the command must be a static program."`
	Segue          text          `json:"segue,omitempty" jsonschema:"Image that has segue as its entry point, for migrations and drills in the cluster; absent: Segue pushes one of itself to repository."`
	Env            variables     `json:"env,omitempty" jsonschema:"Variables that pods get beside, or in place of, those of env, such as HOST: 0.0.0.0: on one machine a program listens on loopback, and in a pod nobody would reach it there."`
	Deregistration duration      `json:"deregistration,omitempty" min:"1s" jsonschema:"How long requests may still be sent to a pod that has begun to leave, and so how long it serves on before it gets its signal (preStop). Absent: 5s, behind a gateway or ingress 10s, behind a load balancer 20s; drain.delay where that is more."`
	Front          front         `json:"front,omitempty" jsonschema:"What stands between clients outside and the Service. Absent: nothing, it is reached inside the cluster."`
	Autoscale      *autoscale    `json:"autoscale,omitempty" jsonschema:"Let the cluster choose the number of pods (HorizontalPodAutoscaler)."`
	Jobs           []cronJob     `json:"jobs,omitempty" jsonschema:"Commands in the release's image on a schedule (CronJob)."`
	Drill          *clusterDrill `json:"drill,omitempty" jsonschema:"Hold each deploy under a drill that a Job in the cluster runs; lost requests undo the deploy."`
	Rollouts       boolean       `json:"rollouts,omitempty" default:"false" jsonschema:"true: segue render writes a Rollout of Argo Rollouts, which does the strategy, in place of a Deployment."`
	User           count         `json:"user,omitempty" default:"65532" min:"1" max:"2147483647" jsonschema:"User and group id that the containers run as."`
	Writable       words         `json:"writable,omitempty" default:"/tmp" jsonschema:"Folder or list of folders that can be written, empty in each new pod; the rest of the file system cannot."`
	Requests       limits        `json:"requests,omitempty" jsonschema:"What the scheduler sets aside for a pod; absent: what limits says."`
	ServiceAccount text          `json:"service_account,omitempty" jsonschema:"ServiceAccount whose token the pods get; absent: none gets one."`
	PullSecrets    words         `json:"pull_secrets,omitempty" jsonschema:"Secrets of type dockerconfigjson that images are pulled with."`
	Labels         labels        `json:"labels,omitempty" jsonschema:"Labels of all objects, beside Segue's own."`
	Annotations    labels        `json:"annotations,omitempty" jsonschema:"Annotations of the pods."`
}

type front struct {
	Gateway      text    `json:"gateway,omitempty" jsonschema:"Gateway, as NAME or NAMESPACE/NAME, to which an HTTPRoute with the service's routes is attached."`
	Ingress      text    `json:"ingress,omitempty" jsonschema:"Class of an Ingress with the service's routes; default is the cluster's own choice."`
	TLSSecret    text    `json:"tls_secret,omitempty" jsonschema:"Secret with the certificate of the Ingress. A Gateway has its own."`
	LoadBalancer boolean `json:"load_balancer,omitempty" default:"false" jsonschema:"true: the Service is of the type LoadBalancer."`
}

type autoscale struct {
	Min    count `json:"min,omitempty" min:"1" max:"10000" jsonschema:"The fewest pods; absent: replicas."`
	Max    count `json:"max,omitempty" min:"1" max:"10000" jsonschema:"The most."`
	CPU    count `json:"cpu,omitempty" min:"1" max:"10000" jsonschema:"Processor use that is aimed at, in per cent of what is requested."`
	Memory count `json:"memory,omitempty" min:"1" max:"10000" jsonschema:"The same for memory."`
}

type cronJob struct {
	Name     text     `json:"name,omitempty" env:"off" jsonschema:"What it is called: lower-case letters, digits and dashes."`
	Schedule cronText `json:"schedule,omitempty" jsonschema:"As in crontab: minute hour day month weekday."`
	Zone     zoneName `json:"zone,omitempty" jsonschema:"Time zone of it; absent: the cluster's."`
	Run      argv     `json:"run,omitempty" env:"off" jsonschema:"Program and arguments, as in release.command."`
	Timeout  duration `json:"timeout,omitempty" default:"1h" min:"1s" jsonschema:"After it, the run has failed and is ended."`
}

type clusterDrill struct {
	Rate  count `json:"rate,omitempty" default:"50" min:"1" max:"100000" jsonschema:"Requests in a second."`
	Path  text  `json:"path,omitempty" default:"/" jsonschema:"Path to GET."`
	Lost  count `json:"lost,omitempty" default:"0" min:"0" max:"1000000" jsonschema:"More lost requests than that undo the deploy."`
	Image text  `json:"image,omitempty" jsonschema:"Image that runs segue; absent: that of kubernetes.segue."`
}

type ecs struct {
	Region         text      `json:"region,omitempty" jsonschema:"AWS region; absent: that of the environment."`
	Cluster        text      `json:"cluster,omitempty" default:"default" jsonschema:"Name or ARN of the ECS cluster."`
	Image          text      `json:"image,omitempty" jsonschema:"Image that is built elsewhere. Not with repository."`
	Repository     text      `json:"repository,omitempty" jsonschema:"Repository where Segue pushes the image that it builds of the release's files."`
	Base           text      `json:"base,omitempty" jsonschema:"Image that the release's files are put on; absent: none, the command must be a static program."`
	Subnets        words     `json:"subnets,omitempty" jsonschema:"Subnets of the tasks."`
	SecurityGroups words     `json:"security_groups,omitempty" jsonschema:"Security groups of the tasks."`
	PublicIP       boolean   `json:"public_ip,omitempty" default:"false" jsonschema:"true: tasks get a public address, for subnets without a NAT gateway or VPC endpoints."`
	TargetGroup    text      `json:"target_group,omitempty" jsonschema:"ARN of the load balancer's target group; absent: none."`
	ExecutionRole  text      `json:"execution_role,omitempty" jsonschema:"ARN of the role that pulls images, reads secrets and writes logs."`
	TaskRole       text      `json:"task_role,omitempty" jsonschema:"ARN of the program's own role."`
	CPU            count     `json:"cpu,omitempty" default:"256" min:"128" max:"196608" jsonschema:"CPU units of a task; 1024 are a core."`
	Memory         count     `json:"memory,omitempty" default:"512" min:"64" max:"1048576" jsonschema:"Memory of a task in MiB."`
	Architecture   text      `json:"architecture,omitempty" default:"amd64" enum:"amd64|arm64" jsonschema:"Processor that the image is for."`
	LogGroup       text      `json:"log_group,omitempty" jsonschema:"CloudWatch log group; absent: no logs are sent there."`
	Secrets        variables `json:"secrets,omitempty" jsonschema:"Where the values of variables are: by their names, ARNs of Secrets Manager or SSM, or names of SSM parameters. One of env that is neither here nor in plain is the parameter /SERVICE/NAME."`
	Plain          words     `json:"plain,omitempty" jsonschema:"Variables of env that are no secret, and may stand in the task definition."`
	User           count     `json:"user,omitempty" default:"65532" min:"1" max:"2147483647" jsonschema:"User and group id that the container runs as."`
	Writable       words     `json:"writable,omitempty" default:"/tmp" jsonschema:"Folder or list of folders that can be written, empty at first and in memory; the rest of the file system cannot."`
	Alarms         words     `json:"alarms,omitempty" jsonschema:"CloudWatch alarms; one that goes off during a deploy undoes it."`

	AlternateTargetGroup text `json:"alternate_target_group,omitempty" jsonschema:"For blue-green and canary: ARN of the second target group."`
	ListenerRule         text `json:"listener_rule,omitempty" jsonschema:"For blue-green and canary: ARN of the listener's rule that leads to target_group (of a Network Load Balancer, of the listener)."`
	TestListenerRule     text `json:"test_listener_rule,omitempty" jsonschema:"For strategy.preview: ARN of the rule by which the new release is reached before it serves."`
	BalancerRole         text `json:"balancer_role,omitempty" jsonschema:"For blue-green and canary: ARN of the role by which ECS changes the load balancer."`
}
