package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// An api asks the API server, from inside the lab.
type api struct {
	client *http.Client
	server string
	token  string
	err    error // of making it
}

func (l *Lab) api() api {
	pem, err := os.ReadFile(l.file("cp", "ca.crt"))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	return api{client, "https://" + apiAddress + ":6443", l.adminToken(), err}
}

// do asks, and decodes the answer into to, which may be nil.
func (a api) do(ctx context.Context, method, path, kind, body string, to any) error {
	if a.err != nil {
		return a.err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.server+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Content-Type", kind)
	res, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, data)
	}
	if to == nil {
		return nil
	}
	return json.Unmarshal(data, to)
}

// until asks again and again, for two minutes at most: while a server starts there
// is nothing that would tell of it.
func until(ctx context.Context, what string, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain until %s: %w", what, err)
		case <-every.C:
		}
	}
}

// answers waits until the API server is ready.
func (a api) answers(ctx context.Context) error {
	return until(ctx, "the API server answers", func() error { return a.do(ctx, "GET", "/readyz", "", "", nil) })
}

// settled waits until all nodes are ready, pods can be made, and Services reached.
func (l *Lab) settled(ctx context.Context) error {
	a := l.api()
	err := until(ctx, "all nodes are ready", func() error {
		var list struct {
			Items []struct {
				Status struct {
					Conditions []struct{ Type, Status string }
				}
			}
		}
		if err := a.do(ctx, "GET", "/api/v1/nodes", "", "", &list); err != nil {
			return err
		}
		ready := 0
		for _, node := range list.Items {
			for _, c := range node.Status.Conditions {
				if c.Type == "Ready" && c.Status == "True" {
					ready++
				}
			}
		}
		if ready < l.Nodes {
			return fmt.Errorf("%d of %d are", ready, l.Nodes)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return until(ctx, "pods have an account", func() error {
		return a.do(ctx, "GET", "/api/v1/namespaces/default/serviceaccounts/default", "", "", nil)
	})
}

// publishDNS has pods find the DNS server at the address that kubelets tell them.
func (l *Lab) publishDNS(ctx context.Context) error {
	return errors.Join(
		l.apply(ctx, "/api/v1/namespaces/kube-system/services/kube-dns", `
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: `+dnsService+`, ports: [{name: dns, protocol: UDP, port: 53}]}
`),
		l.apply(ctx, "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns", `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
ports: [{name: dns, protocol: UDP, port: 53}]
endpoints: [{addresses: [`+apiAddress+`]}]
`))
}

func (l *Lab) apply(ctx context.Context, path, yaml string) error {
	return l.api().do(ctx, "PATCH", path+"?fieldManager=lab", "application/apply-patch+yaml", yaml, nil)
}

// gatewayModule is that of the Gateway API, whose version is the main module's.
const gatewayModule = "sigs.k8s.io/gateway-api"

// fetchDefinitions puts the Gateway API's resource definitions into the lab's folder. It
// runs outside, where there is a network.
func (l *Lab) fetchDefinitions(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", gatewayModule)
	cmd.Dir = root()
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go mod download %s: %w: %s", gatewayModule, err, out)
	}
	var got struct{ Dir string }
	if err := json.Unmarshal(out, &got); err != nil {
		return err
	}
	return os.CopyFS(l.file("cp", "definitions"), os.DirFS(filepath.Join(got.Dir, "config", "crd", "standard")))
}

// definitions has the API server know them.
func (l *Lab) definitions(ctx context.Context) error {
	names, err := filepath.Glob(l.file("cp", "definitions", "gateway.*.yaml"))
	if err != nil || len(names) == 0 {
		return errors.Join(err, errors.New("no resource definitions of the Gateway API; its module has moved them"))
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if !strings.Contains(string(text), "\nkind: CustomResourceDefinition\n") && !strings.HasPrefix(string(text), "kind: CustomResourceDefinition\n") {
			continue
		}
		if err := l.apply(ctx, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"+crdName(string(text)), string(text)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// crdName is metadata.name of a definition.
func crdName(text string) string {
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "  name: "); ok {
			return strings.TrimSpace(name)
		}
	}
	return ""
}
