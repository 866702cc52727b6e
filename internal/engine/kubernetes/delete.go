package kubernetes

import (
	"context"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Delete has objects removed with all that they own; who is gone already is no
// error. It does not wait: Gone does.
func (c *Cluster) Delete(ctx context.Context, refs ...Ref) error {
	for _, ref := range refs {
		path, err := c.path(ref.Kind, ref.Name)
		if err != nil {
			return err
		}
		// Foreground: the object stays until what it owns is gone, so that its
		// going can be waited for.
		err = c.do(ctx, func() *rest.Request {
			return c.rest.Delete().AbsPath(path).Param("propagationPolicy", string(metav1.DeletePropagationForeground))
		}, true).Error()
		if err != nil && !IsGone(err) {
			return c.failed("delete", ref, err)
		}
	}
	return nil
}

// Gone waits until none of them is there, nor what they owned.
func (c *Cluster) Gone(ctx context.Context, refs ...Ref) error {
	for _, ref := range refs {
		if err := c.gone(ctx, ref); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) gone(ctx context.Context, ref Ref) error {
	w := c.newWatching(ctx)
	defer w.close()
	there := false
	err := w.add(watched{
		kind: ref.Kind, field: "metadata.name=" + ref.Name, metadata: true,
		clear: func() { there = false },
		put:   func(any) { there = true },
		drop:  func(any) { there = false },
	})
	if err != nil {
		return err
	}
	return w.until(ctx, func() (bool, error) { return !there, nil })
}

// Owned lists what segue has made for a service, of the kinds that it makes.
func (c *Cluster) Owned(ctx context.Context, service string) ([]Ref, error) {
	var owned []Ref
	for _, kind := range madeKinds() {
		list := &metav1.PartialObjectMetadataList{}
		path, err := c.path(kind, "")
		if err != nil {
			return nil, err
		}
		err = c.do(ctx, func() *rest.Request {
			return c.rest.Get().AbsPath(path).SetHeader("Accept", metadataList).Param("labelSelector", LabelName+"="+service+","+LabelManagedBy+"="+Manager)
		}, true).Into(list)
		if (IsGone(err) || apierrors.IsForbidden(err)) && resources[kind].extra != "" {
			continue // a kind that this cluster has not, or of which this user can have made none
		}
		if err != nil {
			return nil, c.failed("list", Ref{Kind: kind}, err)
		}
		for _, o := range list.Items {
			owned = append(owned, Ref{Kind: kind, Name: o.Name})
		}
	}
	return owned, nil
}

// madeKinds are the kinds of objects that segue makes for a service, in the
// order of their names.
func madeKinds() []string {
	var kinds []string
	for kind, r := range resources {
		if r.made {
			kinds = append(kinds, kind)
		}
	}
	slices.SortFunc(kinds, strings.Compare)
	return kinds
}

// Objects are asked for without their contents where only their names matter.
const (
	metadataList  = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
	metadataWatch = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
)
