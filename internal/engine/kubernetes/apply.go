package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/rest"
)

// Op says what became, or would become, of an object.
type Op string

// What Apply does to an object.
const (
	Created Op = "created"
	Changed Op = "changed"
	Same    Op = "same"
	Removed Op = "removed" // by Delete
)

// A Change is what Apply did to one object, or would do.
type Change struct {
	Ref
	Op   Op           `json:"op"`
	Diff []Difference `json:"diff,omitempty"` // of Changed
}

// ConflictError says which fields of an object are held by whom.
type ConflictError struct {
	Ref
	Fields []HeldField
	err    error
}

// A HeldField is one that another manager has set last.
type HeldField struct{ Path, Manager string }

func (e *ConflictError) Error() string {
	var held []string
	for _, f := range e.Fields {
		held = append(held, f.Path+" by "+f.Manager)
	}
	return fmt.Sprintf("%s has fields that somebody else has set to other values: %s; have them let go, or take them over with --force", e.Ref, strings.Join(held, ", "))
}

func (e *ConflictError) Unwrap() error { return e.err }

// applying is how objects are applied.
type applying struct{ force, dry bool }

// Apply makes the server's objects what objs say, in their order, and leaves
// alone what they do not speak of. Objects are typed, or unstructured; they are
// put into the Cluster's namespace. A field that another manager holds with
// another value is refused with a *ConflictError; the objects before it have been
// applied, and their changes are returned.
func (c *Cluster) Apply(ctx context.Context, objs ...runtime.Object) ([]Change, error) {
	return c.applyAll(ctx, objs, applying{})
}

// ApplyForced is Apply that takes such fields over.
func (c *Cluster) ApplyForced(ctx context.Context, objs ...runtime.Object) ([]Change, error) {
	return c.applyAll(ctx, objs, applying{force: true})
}

// Compare says what Apply would do: the server tries it, with its defaults and
// admission, and forgets it again. Conflicts are errors here too.
func (c *Cluster) Compare(ctx context.Context, objs ...runtime.Object) ([]Change, error) {
	return c.applyAll(ctx, objs, applying{dry: true})
}

func (c *Cluster) applyAll(ctx context.Context, objs []runtime.Object, how applying) ([]Change, error) {
	var changes []Change
	for _, obj := range objs {
		change, err := c.apply(ctx, obj, how)
		if err != nil {
			return changes, err
		}
		changes = append(changes, change)
	}
	return changes, nil
}

func (c *Cluster) apply(ctx context.Context, obj runtime.Object, how applying) (Change, error) {
	ref, path, err := c.locate(obj)
	if err != nil {
		return Change{}, err
	}
	body, err := c.body(obj, ref.Kind)
	if err != nil {
		return Change{}, err
	}
	before, err := c.raw(ctx, path)
	if err != nil && !IsGone(err) {
		return Change{}, c.failed("get", ref, err)
	}
	after, err := c.patch(ctx, path, body, how)
	if err != nil {
		return Change{}, c.refused(ref, err)
	}
	if ref.Kind == "Deployment" && !how.dry {
		c.remember(ref.Name, after)
	}
	return changeOf(ref, before, after), nil
}

// remember keeps the form that we have given a Deployment.
func (c *Cluster) remember(deployment string, fields map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	form := formOf(&unstructured.Unstructured{Object: fields})
	if m, ok := fields["metadata"].(map[string]any); ok {
		if n, ok := m["generation"].(float64); ok { // as encoding/json reads numbers
			form.generation = int64(n)
		}
	}
	c.applied[deployment] = form
}

// outdated reports whether what a watch says of a Deployment is older than what
// we have made of it.
func (c *Cluster) outdated(d Deployment) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, ok := c.applied[d.Name]
	switch {
	case !ok:
		return false
	case d.form.uid != last.uid:
		return !d.form.made.After(last.made) // else somebody has made it anew
	}
	return d.form.generation < last.generation
}

// changeOf says what an object has become; before is nil if it was not there.
func changeOf(ref Ref, before, after map[string]any) Change {
	if before == nil {
		return Change{Ref: ref, Op: Created}
	}
	diff := differences(before, after, ref.Kind == "Secret")
	if len(diff) == 0 {
		return Change{Ref: ref, Op: Same}
	}
	return Change{Ref: ref, Op: Changed, Diff: diff}
}

// body is what is applied: what obj says, and nothing of what only a server
// would.
func (c *Cluster) body(obj runtime.Object, kind string) ([]byte, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("object of kind %s: %w", kind, err)
	}
	gv := resources[kind].groupVersion()
	fields["apiVersion"], fields["kind"] = gv.String(), kind
	delete(fields, "status")
	if m, ok := fields["metadata"].(map[string]any); ok {
		m["namespace"] = c.Namespace
	}
	dropNulls(fields)
	return json.Marshal(fields)
}

// dropNulls removes fields that are null: applied, they would say that a field
// is to be empty, and be held.
func dropNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
				continue
			}
			dropNulls(e)
		}
	case []any:
		for _, e := range v {
			dropNulls(e)
		}
	}
}

func (c *Cluster) raw(ctx context.Context, path string) (map[string]any, error) {
	return fieldsOf(c.do(ctx, func() *rest.Request {
		return c.rest.Get().AbsPath(path).SetHeader("Accept", jsonOnly)
	}, true))
}

func (c *Cluster) patch(ctx context.Context, path string, body []byte, how applying) (map[string]any, error) {
	return fieldsOf(c.do(ctx, func() *rest.Request {
		r := c.rest.Patch(types.ApplyPatchType).AbsPath(path).SetHeader("Accept", jsonOnly).
			Param("fieldManager", Manager).Param("force", strconv.FormatBool(how.force)).
			// A field that this server does not know would be dropped in silence.
			Param("fieldValidation", metav1.FieldValidationStrict).Body(body)
		if how.dry {
			r = r.Param("dryRun", metav1.DryRunAll)
		}
		return r
	}, true))
}

// fieldsOf is an answer, field by field.
func fieldsOf(res rest.Result) (map[string]any, error) {
	if err := res.Error(); err != nil { // which Raw would know less of
		return nil, err
	}
	data, err := res.Raw()
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	err = json.Unmarshal(data, &fields)
	return fields, err
}

// refused is the error of an object that was not applied.
func (c *Cluster) refused(ref Ref, err error) error {
	var status apierrors.APIStatus
	if !apierrors.IsConflict(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return c.failed("patch", ref, err)
	}
	conflict := &ConflictError{Ref: ref, err: err}
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			conflict.Fields = append(conflict.Fields, HeldField{Path: strings.TrimPrefix(cause.Field, "."), Manager: managerIn(cause.Message)})
		}
	}
	if conflict.Fields == nil {
		return c.failed("patch", ref, err)
	}
	return conflict
}

// managerIn is who holds a field, of a message like
//
//	conflict with "kubectl-edit" using apps/v1
func managerIn(message string) string {
	_, rest, _ := strings.Cut(message, `"`)
	name, _, ok := strings.Cut(rest, `"`)
	if !ok {
		return message
	}
	return name
}
