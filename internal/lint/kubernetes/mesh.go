package kubernetes

import (
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
)

// What pods say to the mesh that adds a proxy to them.
const (
	istioConfig   = "proxy.istio.io/config"
	istioInject   = "sidecar.istio.io/inject"
	istioNative   = "sidecar.istio.io/nativeSidecar"
	linkerdInject = "linkerd.io/inject"
	linkerdWait   = "config.alpha.linkerd.io/proxy-wait-before-exit-seconds"
)

// A meshConfig is the part of Istio's ProxyConfig that a pod may say.
type meshConfig struct {
	TerminationDrainDuration        string            `yaml:"terminationDrainDuration"`
	HoldApplicationUntilProxyStarts *bool             `yaml:"holdApplicationUntilProxyStarts"`
	ProxyMetadata                   map[string]string `yaml:"proxyMetadata"`
}

// istio is what the pods say to Istio. ok is false if they say nothing.
func (x *Workload) istio() (c meshConfig, ok bool) {
	text, ok := x.Pod.Annotations[istioConfig]
	if ok && yaml.Unmarshal([]byte(text), &c) != nil {
		return meshConfig{}, false
	}
	return c, ok
}

// drains is how long Istio's proxy goes on after its signal. ok is false if it
// waits for the connections, or if that is for the mesh to say.
func (c meshConfig) drains() (time.Duration, bool) {
	if c.ProxyMetadata["EXIT_ON_ZERO_ACTIVE_CONNECTIONS"] == "true" || c.TerminationDrainDuration == "" {
		return 0, false
	}
	d, err := time.ParseDuration(c.TerminationDrainDuration)
	return d, err == nil
}

// linkerdWaits is how long Linkerd's proxy waits before it takes its signal. ok is
// false if there is no such proxy, or if it is a sidecar container.
func (x *Workload) linkerdWaits() (wait time.Duration, ok bool) {
	notes := x.Pod.Annotations
	if notes[linkerdInject] != "enabled" {
		return 0, false
	}
	for _, stage := range []string{"alpha", "beta"} {
		if notes["config."+stage+".linkerd.io/proxy-enable-native-sidecar"] == "true" {
			return 0, false
		}
	}
	n, _ := strconv.Atoi(notes[linkerdWait])
	return time.Duration(n) * time.Second, true
}

// inMesh says that a proxy is put beside the program which balances requests,
// not connections.
func (x *Workload) inMesh() bool {
	for _, notes := range []map[string]string{x.Pod.Annotations, x.Pod.Labels} {
		if notes[istioInject] == "true" || notes[linkerdInject] == "enabled" || notes[istioConfig] != "" {
			return true
		}
	}
	for _, n := range x.world.Namespaces {
		if n.Is.Name == x.Namespace && (n.Is.Labels["istio-injection"] == "enabled" || n.Is.Labels["istio.io/rev"] != "" || n.Is.Annotations[linkerdInject] == "enabled") {
			return true
		}
	}
	for _, c := range append(x.Containers(), x.Sidecars()...) {
		switch proxyOf(c.Container) {
		case "Istio's proxy", "Linkerd's proxy", "istio-proxy", "linkerd-proxy":
			return true
		}
	}
	return false
}

// atNote is the path of an annotation of the pods.
func (x *Workload) atNote(key string) []any {
	return append(append([]any{}, x.pod...), "metadata", "annotations", key)
}
