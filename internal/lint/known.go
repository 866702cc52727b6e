package lint

import "time"

var uwsgi = []string{"uwsgi", "uwsgi-core", "uwsgi_python3"}

const uwsgiHook = "start it with `--hook-master-start 'unix_signal:15 gracefully_kill_them_all'` and SIGTERM, which by itself is a reload"

// programs are the servers that are known, from their manuals and images. The
// first that fits counts.
var programs = [...]Program{
	{
		Name: "gunicorn", Commands: []string{"gunicorn"}, Role: App, NoWatchdog: true,
		Graceful: "TERM", Quick: []string{"QUIT", "INT"}, Hangup: HangupReloads, Successor: "USR2", Reloads: true,
		Notifies: "always", Activation: "always",
		drain:   patience{flags: []string{"--graceful-timeout"}, unit: time.Second, usual: 30 * time.Second},
		argsEnv: "GUNICORN_CMD_ARGS",
	},
	{
		Name: "uvicorn", Commands: []string{"uvicorn"}, Role: App, NoWatchdog: true,
		Graceful: "TERM", Quick: []string{"QUIT"}, Activation: "--fd",
		drain: patience{flags: []string{"--timeout-graceful-shutdown"}, unit: time.Second},
	},
	{
		Name: "hypercorn", Commands: []string{"hypercorn"}, Role: App, NoWatchdog: true,
		Graceful: "TERM", Activation: "--bind fd://3",
		drain: patience{flags: []string{"--graceful-timeout"}, unit: time.Second, usual: 3 * time.Second},
	},
	{
		Name: "uWSGI with gracefully_kill_them_all", Commands: uwsgi, With: []string{"unix_signal:15 gracefully_kill_them_all"}, Role: App,
		Graceful: "TERM", Quick: []string{"INT", "QUIT"}, Reloads: true, Notifies: "always", Activation: "always",
	},
	{
		Name: "uWSGI's emperor", Commands: uwsgi, With: []string{"--emperor*"}, Role: App,
		Reloads: true, Notifies: "always", Activation: "always",
	},
	{
		Name: "uWSGI with a file", Commands: uwsgi, With: []string{"--ini*", "--yaml*", "--json*", "--xml*", "*.ini", "*.yaml", "*.yml"}, Role: App,
		Quick: []string{"INT", "QUIT"}, Reloads: true, Notifies: "always", Activation: "always",
		Instead: uwsgiHook,
	},
	{
		Name: "uWSGI with --die-on-term", Commands: uwsgi, With: []string{"--die-on-term"}, Role: App,
		Quick: []string{"TERM", "INT", "QUIT"}, Reloads: true, Notifies: "always", Activation: "always",
		Instead: uwsgiHook,
	},
	{
		Name: "uWSGI", Commands: uwsgi, Role: App,
		Quick: []string{"INT", "QUIT"}, Deaf: []string{"TERM"}, Reloads: true, Notifies: "always", Activation: "always",
		Instead: uwsgiHook,
	},
	{
		Name: "waitress", Commands: []string{"waitress-serve", "waitress"}, Role: App,
		Quick: []string{"TERM", "INT", "QUIT"}, Instead: "serve it with gunicorn: waitress has no graceful stop",
	},
	{
		Name: "daphne", Commands: []string{"daphne"}, Role: App,
		Quick: []string{"TERM", "INT", "QUIT"}, Instead: "serve it with uvicorn or hypercorn: daphne has no graceful stop",
	},
	{
		Name: "Starman", Commands: []string{"starman"}, Role: App,
		Graceful: "QUIT", Quick: []string{"TERM", "INT"}, Hangup: HangupReloads, Reloads: true,
	},
	{
		Name: "Puma", Commands: []string{"puma"}, Role: App,
		Graceful: "TERM", Reloads: true, Notifies: "always", Activation: "always",
		drain: patience{usual: 30 * time.Second, workers: []string{"-w", "--workers"}},
	},
	{
		Name: "Unicorn", Commands: []string{"unicorn", "unicorn_rails"}, Role: App, NoWatchdog: true,
		Graceful: "QUIT", Quick: []string{"TERM", "INT"}, Hangup: HangupReloads, Successor: "USR2", Reloads: true,
		Activation: "always",
	},
	{
		Name: "nginx", Commands: []string{"nginx", "openresty"}, Images: []string{"nginx", "nginx-unprivileged", "openresty"}, Role: Web, NoWatchdog: true,
		Graceful: "QUIT", Quick: []string{"TERM", "INT"}, ImageStop: "QUIT", Hangup: HangupReloads, Successor: "USR2", Reloads: true,
		drain: patience{flags: []string{"worker_shutdown_timeout"}, unit: time.Second},
	},
	{
		Name: "Apache httpd", Commands: []string{"httpd", "httpd-foreground", "apache2", "apache2-foreground", "apachectl", "apache2ctl"}, Images: []string{"httpd"}, Role: Web,
		Graceful: "WINCH", Quick: []string{"TERM", "INT"}, Firm: true, ImageStop: "WINCH", Hangup: HangupCuts, Reloads: true,
	},
	{
		Name: "php-fpm", Commands: []string{"php-fpm"}, Images: []string{"php-fpm"}, Role: App,
		Graceful: "QUIT", Quick: []string{"TERM", "INT"}, ImageStop: "QUIT", Reloads: true, Notifies: "always",
		Besides: "set process_control_timeout in php-fpm's configuration: it is 0, with which workers are cut on QUIT as well",
	},
	{
		Name: "HAProxy", Commands: []string{"haproxy"}, Images: []string{"haproxy"}, Role: Proxy,
		Graceful: "USR1", Quick: []string{"TERM", "INT"}, ImageStop: "USR1", Reloads: true, Notifies: "-Ws",
	},
	{
		Name: "Caddy", Commands: []string{"caddy"}, Images: []string{"caddy"}, Role: Web, NoWatchdog: true,
		Graceful: "TERM", Quick: []string{"QUIT"}, Hangup: HangupIgnored, Reloads: true, Notifies: "always",
	},
	{
		Name: "Traefik", Commands: []string{"traefik"}, Images: []string{"traefik"}, Role: Proxy,
		Graceful: "TERM", Reloads: true, Notifies: "always",
		drain: patience{flags: []string{"--entrypoints.*.transport.lifecycle.gracetimeout"}, unit: time.Second, usual: 10 * time.Second},
	},
	{
		Name: "Envoy", Commands: []string{"envoy"}, Images: []string{"envoy"}, Role: Proxy,
		Quick: []string{"TERM", "INT"}, Instead: "have it drained first: POST /drain_listeners?graceful to its admin port, wait, and stop it then",
	},
	{
		Name: "lighttpd", Commands: []string{"lighttpd"}, Images: []string{"lighttpd"}, Role: Web,
		Graceful: "INT", Quick: []string{"TERM"},
	},
	{
		Name: "Java", Commands: []string{"java"}, Role: Runtime,
		Graceful: "TERM", Deaf: []string{"QUIT"}, Hangup: HangupEnds,
		drain: patience{flags: []string{
			"--spring.lifecycle.timeout-per-shutdown-phase", "-Dspring.lifecycle.timeout-per-shutdown-phase",
		}, env: "SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE", unit: time.Millisecond},
	},
	{
		Name: ".NET", Commands: []string{"dotnet"}, Images: []string{"aspnet"}, Role: Runtime,
		Graceful: "TERM",
		drain:    patience{env: "DOTNET_SHUTDOWNTIMEOUTSECONDS", unit: time.Second, usual: 30 * time.Second},
	},
	{Name: "Node.js", Commands: []string{"node", "nodejs"}, Images: []string{"node"}, Role: Runtime, Hangup: HangupEnds},
	{Name: "Deno", Commands: []string{"deno"}, Images: []string{"deno"}, Role: Runtime, Hangup: HangupEnds},
	{Name: "Bun", Commands: []string{"bun"}, Images: []string{"bun"}, Role: Runtime, Hangup: HangupEnds},

	{Name: "Redis", Commands: []string{"redis-server", "valkey-server"}, Images: []string{"redis", "valkey", "redis-stack-server", "keydb", "dragonfly"}, Role: Store, Notifies: "--supervised"},
	{Name: "PostgreSQL", Commands: []string{"postgres", "pg_ctlcluster", "pg_ctl"}, Images: []string{"postgres", "postgresql", "postgis", "timescaledb", "pgvector"}, Role: Store, ImageStop: "INT"},
	{Name: "MySQL", Commands: []string{"mysqld", "mariadbd"}, Images: []string{"mysql", "mariadb", "percona", "percona-server"}, Role: Store, Notifies: "always"},
	{Name: "MongoDB", Commands: []string{"mongod", "mongos"}, Images: []string{"mongo", "mongodb"}, Role: Store},
	{Name: "RabbitMQ", Commands: []string{"rabbitmq-server"}, Images: []string{"rabbitmq"}, Role: Store, Notifies: "always"},
	{Name: "Kafka", Images: []string{"kafka", "cp-kafka", "redpanda"}, Role: Store},
	{Name: "ZooKeeper", Images: []string{"zookeeper", "cp-zookeeper"}, Role: Store},
	{Name: "Elasticsearch", Commands: []string{"elasticsearch"}, Images: []string{"elasticsearch", "opensearch"}, Role: Store},
	{Name: "Memcached", Commands: []string{"memcached"}, Images: []string{"memcached"}, Role: Store},
	{Name: "etcd", Commands: []string{"etcd"}, Images: []string{"etcd"}, Role: Store, Notifies: "always"},
	{Name: "MinIO", Commands: []string{"minio"}, Images: []string{"minio"}, Role: Store},
	{Name: "NATS", Commands: []string{"nats-server"}, Images: []string{"nats"}, Role: Store},
	{Name: "ClickHouse", Images: []string{"clickhouse", "clickhouse-server"}, Role: Store},
	{Name: "Cassandra", Images: []string{"cassandra", "scylla"}, Role: Store},
	{Name: "SQL Server", Images: []string{"mssql-server"}, Role: Store},
	{Name: "InfluxDB", Commands: []string{"influxd"}, Images: []string{"influxdb"}, Role: Store},
	{Name: "Prometheus", Commands: []string{"prometheus"}, Images: []string{"prometheus"}, Role: Store},
	{Name: "Loki", Commands: []string{"loki"}, Images: []string{"loki"}, Role: Store},
	{Name: "Vault", Commands: []string{"vault"}, Images: []string{"vault", "openbao"}, Role: Store},
	{Name: "Consul", Commands: []string{"consul"}, Images: []string{"consul"}, Role: Store},
	{Name: "CockroachDB", Commands: []string{"cockroach"}, Images: []string{"cockroach"}, Role: Store},
}
