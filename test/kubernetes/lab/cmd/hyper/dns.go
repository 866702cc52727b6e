package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// dns answers for the names of Services, over UDP: what pods of a test ask for, and
// a small part of what CoreDNS does. Of the world outside it knows nothing.
func dns() *cobra.Command {
	var kubeconfig, listen string
	c := &cobra.Command{Use: "dns", RunE: func(c *cobra.Command, _ []string) error {
		ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
		defer stop()
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return err
		}
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return err
		}
		return newNames(ctx, client).serve(ctx, listen)
	}}
	c.Flags().StringVar(&kubeconfig, "kubeconfig", "", "who it is")
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:53", "where it listens")
	return c
}

// names knows the cluster's Services by watching them.
type names struct {
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
}

func newNames(ctx context.Context, client kubernetes.Interface) names {
	f := informers.NewSharedInformerFactory(client, 0)
	n := names{f.Core().V1().Services().Lister(), f.Discovery().V1().EndpointSlices().Lister()}
	f.Start(ctx.Done())
	f.WaitForCacheSync(ctx.Done())
	return n
}

func (n names) serve(ctx context.Context, listen string) error {
	conn, err := net.ListenPacket("udp", listen)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	buffer := make([]byte, 4096)
	for {
		size, client, err := conn.ReadFrom(buffer)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		answer, err := n.answer(buffer[:size])
		if err != nil {
			fmt.Println(client, err)
			continue
		}
		if _, err := conn.WriteTo(answer, client); err != nil {
			fmt.Println(client, err)
		}
	}
}

// answer is the response to a message with one question, RFC 1035 section 4.
func (n names) answer(message []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(message); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.RecursionAvailable = true, true, true
	m.Answers, m.Authorities, m.Additionals = nil, nil, nil
	if len(m.Questions) != 1 {
		m.RCode = dnsmessage.RCodeFormatError
		return m.Pack()
	}
	q := m.Questions[0]
	addresses, known := n.lookup(q.Name.String())
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addresses {
		if q.Type == dnsmessage.TypeA {
			header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 5}
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: a.As4()}})
		}
	}
	return m.Pack()
}

// lookup finds the addresses of SERVICE.NAMESPACE.svc.cluster.local. One whose
// Service has no address of its own has those of its ready pods.
func (n names) lookup(name string) (found []netip.Addr, known bool) {
	rest, ok := strings.CutSuffix(strings.ToLower(name), ".svc.cluster.local.")
	service, namespace, two := strings.Cut(rest, ".")
	if !ok || !two {
		return nil, false
	}
	s, err := n.services.Services(namespace).Get(service)
	if err != nil {
		return nil, false // there is no other error than that it is not there
	}
	if s.Spec.ClusterIP != corev1.ClusterIPNone {
		return parse(s.Spec.ClusterIP), true
	}
	all, err := n.slices.EndpointSlices(namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service}))
	if err != nil {
		return nil, true
	}
	for _, slice := range all {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				found = append(found, parse(e.Addresses...)...)
			}
		}
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return found, true
}

func parse(texts ...string) (found []netip.Addr) {
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil && a.Is4() {
			found = append(found, a)
		}
	}
	return found
}
