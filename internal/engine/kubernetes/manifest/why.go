package manifest

import (
	"fmt"
	"maps"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/seguehq/segue/internal/deploy"
)

// about… say what an object is for, and why… why its settings are what they are:
// those that keep requests from being lost, and what a reader would else "mend".

func aboutWorkload(spec *deploy.Service, o Options) string {
	text := fmt.Sprintf("The pods of %s.\n", spec.Name)
	k := settings(spec)
	if o.EnvSecret != "" && o.Release == 0 {
		text += fmt.Sprintf("Their environment is the Secret %s, which holds what segue.yaml calls env and env_file and is not written here: `kubectl create secret generic %[1]s --from-env-file=.env`, or External Secrets. A change of it is no rollout; give it another name for that.\n", o.EnvSecret)
	}
	if o.Image == "" && k.Image == "" {
		text += fmt.Sprintf("The tag %q stands for the release to run: `segue render kubernetes --image`, or images: in kustomization.yaml, says which.\n", UnknownTag)
	}
	switch spec.Strategy.Type {
	case deploy.BlueGreen, deploy.Canary:
		if !k.Rollouts {
			text += fmt.Sprintf("Its strategy is %s, which `segue deploy` does with a second Deployment beside this one; a Deployment by itself knows rolling only, and does that when this file is applied.\n", spec.Strategy.Type)
		}
	case deploy.Recreate:
		text += "segue-lint:ignore recreate because segue.yaml asks for it: old and new must not run at the same time\n"
	}
	if !spec.Worker() && fewest(spec) < 2 && k.Autoscale == nil {
		text += fmt.Sprintf("segue-lint:ignore one-replica because segue.yaml says replicas: %d; a node's drain is then a hole in the service\n", spec.Replicas)
	}
	return text
}

// fewest is how many pods there may be.
func fewest(spec *deploy.Service) int {
	if a := settings(spec).Autoscale; a != nil {
		return a.Min
	}
	return spec.Replicas
}

func whyWorkload(spec *deploy.Service, o Options) map[string]string {
	const pod, container = "spec.template.spec", "spec.template.spec.containers"
	why := map[string]string{
		"metadata.annotations.kube-score/ignore":             "What kube-score would have otherwise; the reasons are in Segue's docs/kubernetes-manifests.md.",
		"spec.progressDeadlineSeconds":                       "Later than a pod's probes give it up, so that it is the pod that is told of and not the deadline.",
		"spec.revisionHistoryLimit":                          fmt.Sprintf("keep: %d, of which one serves.", spec.Keep),
		"spec.template.metadata.annotations.segue.dev/drain": "What the program may need for its requests after the signal; segue lint reckons with it.",

		pod + ".terminationGracePeriodSeconds": graceSum(spec),
		pod + ".affinity":                      "For schedulers that mind no topologySpreadConstraints, and for a single zone.",
		pod + ".automountServiceAccountToken":  "It needs no access to the cluster's API, unless segue.yaml names a service_account.",
		pod + ".enableServiceLinks":            "No variables for every other Service: SHOP_PORT=tcp://… has broken programs.",
		pod + ".topologySpreadConstraints":     "Not all in one zone or on one node. A wish: a rollout does not wait for a node. Each revision is counted by itself, or the last new pods would all go where the old ones no longer are.",

		container + ".imagePullPolicy":          "A pod that is replaced does not depend on the registry if its node has the image.",
		container + ".securityContext":          "Nothing is to be had by breaking out: no root, no privileges, nothing to write to but what is mounted below.",
		container + ".terminationMessagePolicy": "The last lines of the log stand in the pod's status when it fails, where `segue deploy` reads them.",
	}
	if settings(spec).Autoscale != nil && o.Replicas < 0 {
		why["spec.minReadySeconds"] = "No replicas: the autoscaler chooses them, and an apply would set them back."
	}
	if spec.Worker() {
		return why
	}
	maps.Copy(why, whyServing(spec, container))
	return why
}

// whyServing is what only a service that is sent requests has.
func whyServing(spec *deploy.Service, container string) map[string]string {
	wait := seconds[int64](PreStop(spec))
	ready := fmt.Sprintf("It takes up to %d s until all have learned of a new pod; the next old one stays until then.", wait)
	if settings(spec).Autoscale != nil {
		ready += " No replicas: the autoscaler chooses them, and an apply would set them back."
	}
	why := map[string]string{
		"spec.minReadySeconds": ready,
		container + ".lifecycle": fmt.Sprintf("When a pod is deleted, requests are sent to it until %s learned of it: up to %d s. It serves on for so long before it gets its signal. The kubelet sleeps by itself; the image needs no shell.",
			learner(spec), wait),
		container + ".startupProbe":   "As long as it has had no yes, liveness is not asked, and a slow start is not killed.",
		container + ".readinessProbe": "No requests before the first yes. Not a question about others: when a database is away, all pods would leave at once.",
		container + ".ports":          "$PORT: what the program is to listen on.",
	}
	switch spec.Strategy.Type {
	case deploy.Recreate:
		why["spec.strategy"] = "Old and new must not run at the same time; there is a gap without any."
	default:
		if s := strategy(spec).RollingUpdate; s.MaxUnavailable.IntVal == 0 {
			why["spec.strategy"] = "A new pod is ready before an old one leaves: never fewer than there should be."
		}
	}
	if p := spec.Probes.Readiness; spec.Proxy.Protocol == deploy.H2C && (p != nil && p.HTTP != "") {
		why[container+".readinessProbe"] += " A kubelet asks over HTTP/1.1, which the program must speak beside HTTP/2 with prior knowledge, or be asked by tcp or exec."
	}
	return why
}

// learner is the last to learn that a pod leaves.
func learner(spec *deploy.Service) string {
	switch front := settings(spec).Front; {
	case front.LoadBalancer:
		return "the cloud's load balancer has"
	case front.Gateway != "":
		return "the gateway and every kube-proxy have"
	case front.Ingress != "":
		return "the ingress controller and every kube-proxy have"
	}
	return "every kube-proxy has"
}

// graceSum tells what the grace period is made of.
func graceSum(spec *deploy.Service) string {
	sum := ""
	if wait := PreStop(spec); wait > 0 {
		sum = fmt.Sprintf("preStop %d s + ", wait/time.Second)
	}
	if d := drain(spec); d > 0 {
		sum += fmt.Sprintf("drain %s + ", short(d))
	}
	return sum + fmt.Sprintf("stop %s. It counts from the deletion, not from the signal.", short(spec.Stop.Timeout))
}

// short is a duration in seconds.
func short(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }

func aboutService(spec *deploy.Service) string {
	text := fmt.Sprintf("Where %s is reached.\n", spec.Name)
	if spec.TLS != nil {
		text += "It speaks cleartext, as the pods do: the certificate of segue.yaml's tls belongs to what stands in front.\n"
	}
	return text
}

func whyService(spec *deploy.Service) map[string]string {
	why := map[string]string{
		"spec.externalTrafficPolicy": "With Local, a node whose last pod has gone is sent requests until a health check notices.",
	}
	if spec.Proxy.Protocol == deploy.H2C {
		why["spec.ports.appProtocol"] = "HTTP/2 with prior knowledge, which gateways would not try by themselves. Among the pods a Service balances connections, not requests: long-lived ones want a gateway or balancing by the client."
	}
	return why
}

func aboutBudget(spec *deploy.Service) string {
	return fmt.Sprintf("How many pods of %s may be evicted at once when nodes are drained. It always permits some, so that a drain ends by itself and nobody has to force it.\n", spec.Name)
}

func whyBudget(spec *deploy.Service) map[string]string {
	why := map[string]string{
		"spec.unhealthyPodEvictionPolicy": "A pod that is not ready serves nobody, and must not keep a node from being drained.",
	}
	if fewest(spec) < 2 {
		why["spec.maxUnavailable"] = "Also of one pod: minAvailable: 1 would never let it go."
	}
	return why
}

func aboutAutoscaler(spec *deploy.Service) string {
	text := fmt.Sprintf("How many pods %s has. It needs the metrics API (metrics-server).\n", spec.Name)
	if !spec.Worker() && fewest(spec) < 2 {
		text += "segue-lint:ignore one-replica because segue.yaml lets the autoscaler go down to one; a node's drain is then a hole in the service\n"
	}
	return text
}

func whyAutoscaler() map[string]string {
	return map[string]string{
		"spec.behavior": "Kubernetes' own rule stops all pods that are too many within 15 s, and their clients come to the others together.",
	}
}

func aboutRoute(spec *deploy.Service) string {
	text := fmt.Sprintf("Which requests from outside go to %s.\n", spec.Name)
	if settings(spec).Front.Ingress != "" && spec.Proxy.Protocol == deploy.H2C {
		text += "Whether the controller speaks HTTP/2 with the pods depends on an annotation of its own.\n"
	}
	return text
}

func whyRoute(backends []Backend) map[string]string {
	if len(backends) < 2 {
		return nil
	}
	return map[string]string{"spec.rules.backendRefs": "Argo Rollouts changes the weights while a rollout is under way; have GitOps ignore the difference."}
}

func aboutCronJob(spec *deploy.Service, j *batchv1.CronJob) string {
	return fmt.Sprintf("The job %s of %s.\n", j.Name, spec.Name)
}

func whyCronJob() map[string]string {
	return map[string]string{
		"spec.concurrencyPolicy":       "A run that takes longer than planned is not met by the next.",
		"spec.startingDeadlineSeconds": "So much later a run may start: a control plane that is upgraded must not cost the one of today.",
	}
}

// whyJob explains the Job whose spec is at the path.
func whyJob(at string, more map[string]string) map[string]string {
	why := map[string]string{
		at + ".backoffLimit":                  "It is not tried again when it fails …",
		at + ".podFailurePolicy":              "… but when its node was taken from it.",
		at + ".template.metadata.labels":      "Not the service's name: its Service would send the pod requests, and its budget permit no eviction any more.",
		at + ".template.metadata.annotations": "Autoscalers leave the node alone until it has ended.",
	}
	maps.Copy(why, more)
	return why
}

func aboutHook(spec *deploy.Service, stage string, h deploy.Hook) string {
	text := fmt.Sprintf("The hook %s of %s", h.Name, spec.Name)
	switch stage {
	case "prepare":
		text += ", once for all releases, before a deploy"
	case "before":
		text += ", before anything of the new release is started"
	case "between":
		text += ", when the first new pod is ready and before the others come. Argo CD and Helm know no such moment: run it by hand, or deploy by `segue deploy`"
	case "after":
		text += ", when the new release has all requests. Not before: the old one may still need what it takes away"
	}
	return text + ".\n`segue deploy` runs it by itself.\n"
}
