package kubernetes

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Place says which cluster, as which user, and which namespace. The zero value
// is what kubectl would use.
type Place struct {
	Kubeconfig string // file; "" $KUBECONFIG, ~/.kube/config, or the pod's own account
	Context    string // "" the current one
	Namespace  string // "" the context's own, or default
}

// InCluster is the name of the context of a process that runs in a pod and has
// no kubeconfig: it uses the pod's service account.
const InCluster = "in-cluster"

// accountNamespace is where a pod finds the namespace that it runs in.
const accountNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// Open finds out where and who; it does not call the server yet.
func Open(p Place) (*Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = p.Kubeconfig
	rules.WarnIfAllMissing = false // said below, with the mend
	known, err := rules.Load()
	if err != nil {
		return nil, fmt.Errorf("cannot read the kubeconfig: %w", err)
	}
	if len(known.Contexts) == 0 && p.Context == "" && p.Kubeconfig == "" {
		return openInside(p, rules)
	}
	name, err := chooseContext(known, p.Context, rules)
	if err != nil {
		return nil, err
	}
	client := clientcmd.NewNonInteractiveClientConfig(*known, name, &clientcmd.ConfigOverrides{}, rules)
	config, err := client.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("context %s of %s cannot be used: %w", name, files(rules), err)
	}
	namespace := p.Namespace
	if namespace == "" {
		namespace = known.Contexts[name].Namespace
	}
	return open(config, name, namespace)
}

// openInside is Open without a kubeconfig.
func openInside(p Place, rules *clientcmd.ClientConfigLoadingRules) (*Cluster, error) {
	config, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, fmt.Errorf("there is no cluster to deploy to: %s names none; set KUBECONFIG to the file that your cluster's provider gives you, or have its own command write it", files(rules))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use the pod's own account: %w; does it have automountServiceAccountToken?", err)
	}
	namespace := p.Namespace
	if namespace == "" {
		if own, err := os.ReadFile(accountNamespace); err == nil {
			namespace = strings.TrimSpace(string(own))
		}
	}
	return open(config, InCluster, namespace)
}

// chooseContext is the context wanted, or the current one.
func chooseContext(known *api.Config, wanted string, rules *clientcmd.ClientConfigLoadingRules) (string, error) {
	name := wanted
	if name == "" {
		name = known.CurrentContext
	}
	var all []string
	for c := range known.Contexts {
		all = append(all, c)
	}
	slices.Sort(all)
	switch {
	case len(all) == 0:
		return "", fmt.Errorf("%s knows no context, and so no cluster", files(rules))
	case name == "":
		return "", fmt.Errorf("%s has no current context; choose one of %s with --to kubernetes:CONTEXT, or with kubectl config use-context", files(rules), strings.Join(all, ", "))
	case known.Contexts[name] == nil:
		return "", fmt.Errorf("%s has no context %s; it knows %s", files(rules), name, strings.Join(all, ", "))
	}
	return name, nil
}

// files names the kubeconfig for people.
func files(rules *clientcmd.ClientConfigLoadingRules) string {
	if rules.ExplicitPath != "" {
		return rules.ExplicitPath
	}
	return strings.Join(rules.Precedence, ", ")
}

// open makes the client. How many requests a user may send is the server's to
// say (priority and fairness), so there is no limit on this side.
func open(config *rest.Config, context, namespace string) (*Cluster, error) {
	if namespace == "" {
		namespace = "default"
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	config.UserAgent = Manager
	config.WarningHandler = rest.NoWarnings{}
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.ContentType = "application/json"
	client, err := rest.UnversionedRESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("context %s cannot be used: %w", context, err)
	}
	return &Cluster{Context: context, Server: config.Host, Namespace: namespace, rest: client, scheme: scheme, params: runtime.NewParameterCodec(scheme), applied: map[string]form{}}, nil
}
