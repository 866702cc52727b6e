package kubernetes

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// tidy drops what the history is too short for: releases beyond those that are
// kept, environments that none of these has, and old rollouts.
func (s *story) tidy(ctx context.Context) error {
	all, err := s.records.releases(ctx)
	if err != nil {
		return err
	}
	serving, kept, used := s.rec.serves().release, 0, map[string]bool{}
	for _, r := range all {
		if kept < s.spec.Keep || r.Number == serving || r.Number == s.rec.From {
			kept++
			used[r.EnvSecret] = true
			continue
		}
		if err := s.c.Delete(ctx, Ref{"ConfigMap", s.records.name(kindRelease, int64(r.Number))}); err != nil {
			return err
		}
	}
	if err := s.dropEnvironments(ctx, used); err != nil {
		return err
	}
	return s.records.prune(ctx)
}

func (s *story) dropEnvironments(ctx context.Context, used map[string]bool) error {
	var all corev1.SecretList
	if err := s.c.List(ctx, &all, metav1.FormatLabelSelector(metav1.SetAsLabelSelector(s.records.labels(kindEnv)))); err != nil {
		return err
	}
	for _, secret := range all.Items {
		if used[secret.Name] {
			continue
		}
		if err := s.c.Delete(ctx, Ref{"Secret", secret.Name}); err != nil {
			return err
		}
	}
	return nil
}
