package kubernetes

import (
	"context"
	"crypto/rand"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seguehq/segue/internal/deploy"
)

// salt is what a service's digests are made with, so that nobody who sees them
// can guess short secrets. nil: no deploy has made it yet.
func (c *Cluster) salt(ctx context.Context, r records) ([]byte, error) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: saltName(r.service)}}
	err := c.Get(ctx, secret)
	if IsGone(err) {
		return nil, nil
	}
	return secret.Data["salt"], err
}

func saltName(service string) string { return "segue-" + service + "-salt" }

// keepSalt is salt that makes it.
func (c *Cluster) keepSalt(ctx context.Context, r records) ([]byte, error) {
	if salt, err := c.salt(ctx, r); salt != nil || err != nil {
		return salt, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: saltName(r.service), Labels: r.labels(kindSalt)},
		Data:       map[string][]byte{"salt": []byte(rand.Text())},
	}
	salt := secret.Data["salt"]
	return salt, c.Create(ctx, secret)
}

// environmentName names the Secret with an environment: another one for others.
func environmentName(service string, env deploy.Environment, salt []byte) string {
	digest, _ := deploy.DigestOf("", deploy.Service{}, env, salt) // fails for no empty service
	return service + "-env-" + digest[:8]
}

// keepEnvironment makes the Secret that a release's pods have their environment from.
func (c *Cluster) keepEnvironment(ctx context.Context, r records, env deploy.Environment, rel Release) error {
	if rel.EnvSecret == "" {
		return nil
	}
	immutable := true
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: rel.EnvSecret, Labels: r.labels(kindEnv)},
		Immutable:  &immutable,
		Data:       map[string][]byte{},
	}
	for k, v := range env {
		secret.Data[k] = []byte(v)
	}
	if err := c.Create(ctx, secret); !IsThere(err) {
		return err
	}
	return nil
}

// environment reads a release's environment.
func (c *Cluster) environment(ctx context.Context, rel *Release) (deploy.Environment, error) {
	env := deploy.Environment{}
	if rel.EnvSecret == "" {
		return env, nil
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: rel.EnvSecret}}
	if err := c.Get(ctx, secret); err != nil {
		return nil, fmt.Errorf("the environment of %s: %w", rel.name(), err)
	}
	for k, v := range secret.Data {
		env[k] = string(v)
	}
	return env, nil
}

// replicas is how many pods a Deployment is asked for, or else if it is not there.
func (c *Cluster) replicas(ctx context.Context, deployment string, otherwise int) (int, error) {
	if deployment == "" {
		return otherwise, nil
	}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: deployment}}
	switch err := c.Get(ctx, d); {
	case IsGone(err), err == nil && d.Spec.Replicas == nil:
		return otherwise, nil
	case err != nil:
		return 0, err
	}
	return int(*d.Spec.Replicas), nil
}

// labels are those that the server's object of the same kind and name has.
func (c *Cluster) labels(ctx context.Context, like runtime.Object) (map[string]string, error) {
	obj := like.DeepCopyObject()
	if err := c.Get(ctx, obj); err != nil {
		return nil, err
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	return m.GetLabels(), nil
}
