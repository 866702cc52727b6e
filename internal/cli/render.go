package cli

// renderCmd writes what runs the services elsewhere, for others to apply.
type renderCmd struct {
	Kubernetes renderKubernetesCmd `cmd:"" help:"Kubernetes manifests, with the reason for each setting, for kubectl, Kustomize and GitOps."`
	ECS        renderECSCmd        `cmd:"" name:"ecs" help:"Task definitions and services of Amazon ECS, as JSON that the AWS CLI takes."`
}
