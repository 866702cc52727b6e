package kubernetes

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// jsonOnly is asked for where the answer is read as JSON, field by field.
const jsonOnly = "application/json"

// Get fills obj, a pointer to a typed object whose name is set, with what the
// server has. IsGone tells that there is none.
func (c *Cluster) Get(ctx context.Context, obj runtime.Object) error {
	ref, path, err := c.locate(obj)
	if err != nil {
		return err
	}
	res := c.do(ctx, func() *rest.Request { return c.rest.Get().AbsPath(path) }, true)
	return c.failed("get", ref, res.Into(obj))
}

// List fills list, a pointer to a typed list, with what has the labels: a
// selector as kubectl takes it, "" for all.
func (c *Cluster) List(ctx context.Context, list runtime.Object, selector string) error {
	kind, err := c.kindOf(list)
	if err != nil {
		return err
	}
	kind = kind[:len(kind)-len("List")]
	path, err := c.path(kind, "")
	if err != nil {
		return err
	}
	res := c.do(ctx, func() *rest.Request {
		return c.rest.Get().AbsPath(path).Param("labelSelector", selector)
	}, true)
	return c.failed("list", Ref{Kind: kind}, res.Into(list))
}

// Create makes obj and fills it. IsThere tells that there is one of that name.
func (c *Cluster) Create(ctx context.Context, obj runtime.Object) error {
	ref, _, err := c.locate(obj)
	if err != nil {
		return err
	}
	path, err := c.path(ref.Kind, "")
	if err != nil {
		return err
	}
	res := c.do(ctx, func() *rest.Request {
		return c.rest.Post().AbsPath(path).Param("fieldManager", Manager).Body(obj)
	}, false)
	return c.failed("create", ref, res.Into(obj))
}

// Update replaces what the server has, if its resourceVersion is still obj's.
// IsStale tells that somebody was quicker.
func (c *Cluster) Update(ctx context.Context, obj runtime.Object) error {
	ref, path, err := c.locate(obj)
	if err != nil {
		return err
	}
	res := c.do(ctx, func() *rest.Request {
		return c.rest.Put().AbsPath(path).Param("fieldManager", Manager).Body(obj)
	}, false)
	return c.failed("update", ref, res.Into(obj))
}

// Has reports whether the server knows a kind that not every cluster does:
// HTTPRoute, Rollout.
func (c *Cluster) Has(ctx context.Context, kind string) (bool, error) {
	path, err := c.path(kind, "")
	if err != nil {
		return false, err
	}
	err = c.do(ctx, func() *rest.Request {
		return c.rest.Get().AbsPath(path).Param("limit", "1").SetHeader("Accept", jsonOnly)
	}, true).Error()
	if IsGone(err) {
		return false, nil
	}
	return err == nil, c.failed("list", Ref{Kind: kind}, err)
}

// locate says what an object is called, and where the server keeps it.
func (c *Cluster) locate(obj runtime.Object) (Ref, string, error) {
	kind, err := c.kindOf(obj)
	if err != nil {
		return Ref{}, "", err
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return Ref{}, "", err
	}
	if m.GetName() == "" {
		return Ref{}, "", fmt.Errorf("an object of kind %s has no name", kind)
	}
	path, err := c.path(kind, m.GetName())
	return Ref{Kind: kind, Name: m.GetName()}, path, err
}
