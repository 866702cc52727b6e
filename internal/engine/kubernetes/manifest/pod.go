package manifest

import (
	"cmp"
	"fmt"
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/seguehq/segue/internal/deploy"
)

const usualUser = 65532 // "nonroot" of distroless images

// podSpec is what the service's pods have in common with those of its Jobs: one
// container, without a command.
func podSpec(spec *deploy.Service, o Options) (corev1.PodSpec, error) {
	k := settings(spec)
	ref, err := image(spec, o)
	if err != nil {
		return corev1.PodSpec{}, err
	}
	user := cmp.Or(k.User, usualUser)
	pod := corev1.PodSpec{
		ServiceAccountName:           k.ServiceAccount,
		AutomountServiceAccountToken: new(k.ServiceAccount != ""),
		EnableServiceLinks:           new(false),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(user), RunAsGroup: new(user),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{container(spec, o, ref)},
	}
	for _, name := range k.PullSecrets {
		pod.ImagePullSecrets = append(pod.ImagePullSecrets, corev1.LocalObjectReference{Name: name})
	}
	writable(&pod, k.Writable)
	return pod, nil
}

// image is the reference of what is run. Where Segue builds it and nobody says
// which, it has the tag "release", which is to be replaced.
func image(spec *deploy.Service, o Options) (string, error) {
	k := settings(spec)
	switch {
	case o.Image != "":
		return o.Image, nil
	case k.Image != "":
		return k.Image, nil
	case k.Repository != "":
		return k.Repository + ":" + UnknownTag, nil
	}
	return "", fmt.Errorf("service %s: nothing says which image its pods run; write kubernetes: {image: …}, or {repository: …} for one that Segue builds, into segue.yaml", spec.Name)
}

// UnknownTag is the tag of an image that Segue builds, where nobody says of which
// release: it is to be replaced.
const UnknownTag = "release"

func container(spec *deploy.Service, o Options, ref string) corev1.Container {
	c := corev1.Container{
		Name:                     spec.Name,
		Image:                    ref,
		ImagePullPolicy:          corev1.PullIfNotPresent,
		Env:                      variables(spec, o),
		Resources:                resources(spec),
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
	if o.EnvSecret != "" {
		c.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: o.EnvSecret}}}}
	}
	return c
}

// writable mounts an empty folder for each path; /tmp where none is said.
func writable(pod *corev1.PodSpec, paths []string) {
	if len(paths) == 0 {
		paths = []string{"/tmp"}
	}
	c := &pod.Containers[0]
	for i, path := range paths {
		name := fmt.Sprintf("writable-%d", i+1)
		pod.Volumes = append(pod.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: path})
	}
}

// resources are what the service says. What has a limit and no request has one of
// the same size by Kubernetes' own rule; it is written out, since autoscalers and
// people look for it.
func resources(spec *deploy.Service) corev1.ResourceRequirements {
	limits, requests := spec.Limits, settings(spec).Requests
	if requests.CPU == 0 {
		requests.CPU = limits.CPU
	}
	if requests.Memory == 0 {
		requests.Memory = limits.Memory
	}
	return corev1.ResourceRequirements{Limits: quantities(limits), Requests: quantities(requests)}
}

func quantities(l deploy.Limits) corev1.ResourceList {
	list := corev1.ResourceList{}
	if l.CPU > 0 {
		list[corev1.ResourceCPU] = *resource.NewMilliQuantity(int64(math.Ceil(l.CPU*1000)), resource.DecimalSI)
	}
	if l.Memory > 0 {
		list[corev1.ResourceMemory] = *resource.NewQuantity(l.Memory, resource.BinarySI)
	}
	if len(list) == 0 {
		return nil
	}
	return list
}
