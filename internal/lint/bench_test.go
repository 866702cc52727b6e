package lint_test

import (
	"fmt"
	"testing"

	"github.com/seguehq/segue/internal/lint"
	"github.com/seguehq/segue/internal/lint/compose"
	"github.com/seguehq/segue/internal/lint/kubernetes"
	"github.com/seguehq/segue/internal/lint/linttest"
	"github.com/seguehq/segue/internal/lint/systemd"
)

const app = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-%[1]d
  namespace: shop
  labels: {app.kubernetes.io/name: web-%[1]d, app.kubernetes.io/part-of: shop}
spec:
  replicas: 3
  selector:
    matchLabels: {app.kubernetes.io/name: web-%[1]d}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: web-%[1]d
    spec:
      containers:
        - name: app # the program
          image: registry.example/shop/web:1.4.%[1]d
          args: ["--listen", ":8080"]
          ports:
            - name: http
              containerPort: 8080
          env:
            - name: DATABASE_URL
              valueFrom:
                secretKeyRef: {name: db, key: url}
            - name: LOG_LEVEL
              value: info
          readinessProbe:
            httpGet: {path: /ready, port: http}
            periodSeconds: 2
          resources:
            requests: {cpu: 100m, memory: 128Mi}
            limits: {memory: 256Mi}
`

const around = `apiVersion: v1
kind: Service
metadata: {name: web-%[1]d, namespace: shop}
spec:
  selector:
    app.kubernetes.io/name: web-%[1]d
  ports:
    - name: http
      port: 80
      targetPort: http
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web-%[1]d, namespace: shop}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {app.kubernetes.io/name: web-%[1]d}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web-%[1]d, namespace: shop}
spec:
  minReplicas: 2
  maxReplicas: 10
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web-%[1]d}
`

// BenchmarkLint reads a thousand manifests: 250 applications of a Deployment
// with its Service, its disruption budget and its autoscaler.
func BenchmarkLint(b *testing.B) {
	l, err := lint.New(compose.Rules(), kubernetes.Rules(), systemd.Rules())
	if err != nil {
		b.Fatal(err)
	}
	for _, apps := range []int{250, 1000} {
		var texts [][]byte
		for i := range apps {
			texts = append(texts, fmt.Appendf(nil, app, i), fmt.Appendf(nil, around, i))
		}
		b.Run(fmt.Sprintf("manifests=%d", 4*apps), func(b *testing.B) {
			b.ReportAllocs()
			findings := 0
			for b.Loop() {
				var files []*lint.File
				for i, text := range texts {
					files = append(files, lint.NewFile(fmt.Sprintf("web-%d.yaml", i), text))
				}
				r := l.Run(files, lint.Options{Facts: linttest.Facts()})
				if len(r.Problems) > 0 || r.Objects != 4*apps {
					b.Fatal(r.Summary(), r.Problems)
				}
				findings = len(r.Findings)
			}
			b.ReportMetric(float64(findings), "findings")
		})
	}
}
