package config

// Example is a complete, valid segue.yaml to start from.
const Example = `# segue.yaml
service: shop
listen: 127.0.0.1:8080            # :8080 for every interface
release:
  build: go build -o bin/shop .
  files: [bin]
  command: bin/shop                # it listens on $PORT
replicas: 3
probes:
  readiness: { http: /health }
`
