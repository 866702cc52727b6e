package config

// The types below are the file format. Each leaf type (leaf.go) knows how to
// read itself and what JSON Schema describes it. Tags on a field:
//
//	json        the key
//	jsonschema  what it is, for editors and the manual
//	default     its value when the key is absent, written as in the file
//	min, max    bounds
//	enum        the words allowed, separated by |
//	prefix      what may stand in front of such a word
//	env:"off"   no ${VAR} in it is replaced by segue
//
// A default that depends on other keys has no tag; it is told in the
// description and filled in by the rules (service.go and its neighbours).

// document is a whole file: one service at the top, or several under services.
type document struct {
	Service text `json:"service,omitempty" jsonschema:"Name of the one service in this file: lower-case letters, digits and dashes. Several services go under services instead."`
	settings
	Services  map[string]*settings `json:"services,omitempty" jsonschema:"Several services, by name."`
	Metrics   address              `json:"metrics,omitempty" jsonschema:"Address (host:port) where the agent serves Prometheus metrics under /metrics; absent: nowhere."`
	OFREP     address              `json:"ofrep,omitempty" jsonschema:"Address (host:port) of this machine alone where the services' feature flags are evaluated for programs by OpenFeature's OFREP, under /SERVICE; instances are told by OFREP_ENDPOINT. Absent: nowhere."`
	AccessLog boolean              `json:"access_log,omitempty" default:"false" jsonschema:"Whether the proxy logs a line per request."`
}

// settings is what can be said of a service.
type settings struct {
	Listen      addresses     `json:"listen,omitempty" jsonschema:"Address or list of addresses (host:port) where requests arrive: :8080 is every interface, 127.0.0.1:8080 only this machine. A service without it is a worker."`
	TLS         *tlsSettings  `json:"tls,omitempty" jsonschema:"Certificate that the proxy serves on the listening addresses: of files, or got by ACME. Absent: cleartext."`
	Routes      []route       `json:"routes,omitempty" jsonschema:"Which requests on the listening addresses go to this service; absent: all."`
	Via         text          `json:"via,omitempty" enum:"proxy|socket" jsonschema:"How requests reach the instances: proxy (default) forwards each one to an instance that listens on $PORT; with socket the program accepts on an inherited listening socket (LISTEN_FDS, as from systemd), and nothing stands between."`
	Socket      socket        `json:"socket,omitempty" jsonschema:"Settings of via: socket."`
	Release     release       `json:"release,omitempty" jsonschema:"What is run."`
	Replicas    count         `json:"replicas,omitempty" default:"1" min:"0" max:"10000" jsonschema:"Instances to run; 0 keeps the service without running it."`
	Env         variables     `json:"env,omitempty" jsonschema:"Environment variables of the instances; they win over env_file."`
	EnvFile     words         `json:"env_file,omitempty" jsonschema:"File or list of files with KEY=VALUE lines; a later file wins over an earlier one."`
	Store       text          `json:"store,omitempty" jsonschema:"Name of the file that holds the store (SEGUE_STORE) of the instances: services that say the same name share it. Absent: the service's own name."`
	Probes      probes        `json:"probes,omitempty" jsonschema:"How instances are asked whether they are well."`
	Strategy    strategy      `json:"strategy,omitempty" jsonschema:"How a new release replaces the old one."`
	Drain       drain         `json:"drain,omitempty" jsonschema:"How an instance is let finish its requests before it is signalled."`
	Stop        stop          `json:"stop,omitempty" jsonschema:"How an instance is ended."`
	Limits      limits        `json:"limits,omitempty" jsonschema:"What one instance may use at most; needs cgroups."`
	Proxy       proxySettings `json:"proxy,omitempty" jsonschema:"Settings of the path that requests take."`
	Logs        logs          `json:"logs,omitempty" jsonschema:"What the output of one instance may take on disk."`
	Hooks       hooks         `json:"hooks,omitempty" jsonschema:"Commands around a rollout, run in the new release's folder with its environment; one that fails undoes it. Each is a command, or name, run and timeout."`
	Prepare     []preparation `json:"prepare,omitempty" jsonschema:"Commands that are run once, long before a deploy by segue prepare, or else at its beginning. Each is a command, or name, run and timeout."`
	Maintenance *maintenance  `json:"maintenance,omitempty" jsonschema:"What segue maintenance does with this service, where the command does not say otherwise."`
	Shedding    *shedding     `json:"shedding,omitempty" jsonschema:"When the service is short of capacity, and which requests it then turns away first. Absent: none, ever."`
	Skew        *skew         `json:"skew,omitempty" jsonschema:"What is done for pages in browsers that were loaded from an older release. Absent: nothing."`
	Migrate     *migrate      `json:"migrate,omitempty" jsonschema:"How the release's migrations change the database that it shares with the release before it. Absent: Segue changes no database."`
	Flags       text          `json:"flags,omitempty" jsonschema:"File with feature flags in flagd's JSON, relative to segue.yaml, which a deploy brings in before the first instance of the release starts. Absent: flags are set by segue flag alone."`
	Notify      []webhook     `json:"notify,omitempty" jsonschema:"Webhooks that are told of what happens to the service."`
	Keep        count         `json:"keep,omitempty" default:"5" min:"2" max:"1000" jsonschema:"Releases kept for an instant rollback, the running one among them."`
	Engine      text          `json:"engine,omitempty" default:"process" enum:"process|kubernetes|ecs" jsonschema:"Who runs the service: process (Segue's agent on one machine), kubernetes or ecs. segue --to goes before it."`
	Kubernetes  *kubernetes   `json:"kubernetes,omitempty" jsonschema:"What the service needs on Kubernetes beside all that."`
	ECS         *ecs          `json:"ecs,omitempty" jsonschema:"What the service needs on Amazon ECS beside all that."`
	timing
}

type socket struct {
	PerInstance boolean `json:"per_instance,omitempty" default:"false" jsonschema:"true: each instance has a listening socket of its own (SO_REUSEPORT), among which the kernel distributes connections; needs net.ipv4.tcp_migrate_req=1. false: all accept on one."`
}

type tlsSettings struct {
	Cert text  `json:"cert,omitempty" jsonschema:"PEM file with the certificate chain, relative to segue.yaml."`
	Key  text  `json:"key,omitempty" jsonschema:"PEM file with the private key, relative to segue.yaml."`
	ACME *acme `json:"acme,omitempty" jsonschema:"Get and renew a certificate for each host of routes, in place of cert and key. The CA must reach the service's address at port 443 of the host."`
}

type acme struct {
	Agree boolean `json:"agree,omitempty" default:"false" jsonschema:"true: you agree to the terms of service of the CA, which issues nothing otherwise."`
	Email text    `json:"email,omitempty" jsonschema:"Where the CA can reach you; absent: nowhere."`
	CA    text    `json:"ca,omitempty" default:"https://acme-v02.api.letsencrypt.org/directory" jsonschema:"URL of the CA's ACME directory."`
	Roots text    `json:"roots,omitempty" jsonschema:"PEM file, relative to segue.yaml, with the certificates to verify the CA's own server with; absent: those of the system."`
}

type route struct {
	Host  text     `json:"host,omitempty" jsonschema:"Host name without a port, or *.example.com for all names below; absent: any."`
	Path  text     `json:"path,omitempty" jsonschema:"Path prefix, matched at segment boundaries: /api takes /api and /api/x, not /apis; absent: any."`
	Drain duration `json:"drain,omitempty" min:"1ms" jsonschema:"What the exchanges of this route get to end in, such as long downloads; absent: drain.timeout."`
}

type release struct {
	Dir      text    `json:"dir,omitempty" default:"." jsonschema:"Source folder, relative to segue.yaml."`
	Build    text    `json:"build,omitempty" env:"off" jsonschema:"Shell command that builds the release, run in the source folder by sh -c; absent: nothing is built."`
	Files    words   `json:"files,omitempty" default:"." jsonschema:"Files, folders and patterns (* ? [a-z], no **) that the release keeps, relative to the source folder."`
	Breaking boolean `json:"breaking,omitempty" default:"false" jsonschema:"true: pages that were loaded from an older release cannot work with this one, and are to reload."`
	Command  argv    `json:"command,omitempty" env:"off" jsonschema:"Program and arguments, as one line (split like a shell does, but no shell is run) or as a list. $PORT and other variables of the instance are replaced when it starts."`
}

// question is what all probes share; exactly one key is given.
type question struct {
	HTTP text    `json:"http,omitempty" jsonschema:"Path to GET from the instance; any status from 200 to 399 is a yes."`
	TCP  boolean `json:"tcp,omitempty" default:"false" jsonschema:"true: connecting to the instance is a yes."`
	Exec argv    `json:"exec,omitempty" env:"off" jsonschema:"Program and arguments to run; exit status 0 is a yes."`
}

type probes struct {
	Startup   *startup `json:"startup,omitempty" jsonschema:"Asked from the start until the first yes. Absent: the question of readiness, every 100ms for up to 60s."`
	Readiness *probe   `json:"readiness,omitempty" jsonschema:"May the instance be given requests? Absent: tcp for a service behind the proxy, nothing for others."`
	Liveness  *probe   `json:"liveness,omitempty" jsonschema:"Must the instance be replaced? Absent: never asked."`
}

type startup struct {
	question
	Notify    boolean  `json:"notify,omitempty" default:"false" jsonschema:"true: the instance says by itself when it is ready, by READY=1 (sd_notify)."`
	Every     duration `json:"every,omitempty" default:"200ms" min:"10ms" jsonschema:"Time from the start of one question to the start of the next."`
	Timeout   duration `json:"timeout,omitempty" default:"1s" min:"1ms" jsonschema:"Longest wait for an answer."`
	Failures  count    `json:"failures,omitempty" default:"150" min:"1" max:"1000000" jsonschema:"So many no in a row, and the instance is given up."`
	Successes count    `json:"successes,omitempty" default:"1" min:"1" max:"1000" jsonschema:"So many yes in a row mean yes."`
}

type probe struct {
	question
	Every     duration `json:"every,omitempty" default:"1s" min:"10ms" jsonschema:"Time from the start of one question to the start of the next."`
	Timeout   duration `json:"timeout,omitempty" default:"1s" min:"1ms" jsonschema:"Longest wait for an answer."`
	Failures  count    `json:"failures,omitempty" default:"3" min:"1" max:"1000000" jsonschema:"So many no in a row mean no."`
	Successes count    `json:"successes,omitempty" default:"1" min:"1" max:"1000" jsonschema:"So many yes in a row mean yes."`
}

type strategy struct {
	Type             text         `json:"type,omitempty" default:"rolling" enum:"rolling|blue-green|canary|recreate" jsonschema:"rolling replaces instances a few at a time; blue-green starts all new ones beside the old ones and then switches; canary gives the new release a growing share of the requests; recreate stops all old instances before it starts the first new one. What is no deploy of another release (restart, scale, rollback) rolls, or recreates."`
	Surge            amount       `json:"surge,omitempty" default:"1" jsonschema:"Instances above replicas while rolling: a number, or a percentage of replicas, rounded up."`
	Unavailable      amount       `json:"unavailable,omitempty" default:"0" jsonschema:"Instances below replicas while rolling: a number, or a percentage of replicas, rounded down."`
	MinReady         duration     `json:"min_ready,omitempty" jsonschema:"An instance counts after it has been ready for so long. Default 0s; 1s for a worker without a readiness probe, and with via: socket without any."`
	ProgressDeadline duration     `json:"progress_deadline,omitempty" min:"1s" jsonschema:"Without a step forward for so long, the rollout is undone. Default 10m, or twice the longest single step where that is more."`
	Bake             duration     `json:"bake,omitempty" default:"0s" jsonschema:"How long the new release has all requests before the rollout is over. An instance that fails meanwhile undoes it. With blue-green and canary the old instances are kept meanwhile, and going back is one switch."`
	Promote          text         `json:"promote,omitempty" default:"auto" enum:"auto|manual" jsonschema:"blue-green: manual waits for segue promote before the switch."`
	Preview          *preview     `json:"preview,omitempty" jsonschema:"blue-green: how the new side is reached before the switch, by an address of its own, or by a header or cookie on the service's. Absent: not at all."`
	Steps            []canaryStep `json:"steps,omitempty" jsonschema:"canary: what the new release gets, one step after the other, before it gets everything. Absent: weight 10% and then 50%, a minute each."`
	Stick            text         `json:"stick,omitempty" default:"cookie" enum:"cookie|address|none" jsonschema:"canary: what a client is known by that stays with the release it got, while that one's share does not shrink: a cookie that the proxy sets, its IP address, or nothing."`
	judgement
}

type preview struct {
	Listen address `json:"listen,omitempty" jsonschema:"An address such as 127.0.0.1:8081. Before and after the preview, who asks there gets what everybody gets."`
	Header text    `json:"header,omitempty" jsonschema:"Name of a field; requests that have it reach the new side and no other."`
	Cookie text    `json:"cookie,omitempty" jsonschema:"Name of a cookie, likewise."`
	Value  text    `json:"value,omitempty" env:"off" jsonschema:"The field's or cookie's value, exactly; absent: any."`
}

type canaryStep struct {
	Weight  share    `json:"weight,omitempty" jsonschema:"Share of the requests that the new release gets."`
	Header  text     `json:"header,omitempty" jsonschema:"Name of a field; the new release gets the requests that have it."`
	Cookie  text     `json:"cookie,omitempty" jsonschema:"Name of a cookie, likewise."`
	Value   text     `json:"value,omitempty" env:"off" jsonschema:"The field's or cookie's value, exactly; absent: any."`
	Mirror  share    `json:"mirror,omitempty" jsonschema:"Share of the requests of which the new release gets copies (GET and HEAD), whose answers nobody sees."`
	For     duration `json:"for,omitempty" default:"0s" jsonschema:"How long the step lasts, at least."`
	Promote text     `json:"promote,omitempty" default:"auto" enum:"auto|manual" jsonschema:"manual waits for segue promote, too."`
}

type drain struct {
	Delay   duration `json:"delay,omitempty" default:"0s" jsonschema:"Wait after the instance has left the routes."`
	Timeout duration `json:"timeout,omitempty" default:"30s" jsonschema:"What requests in flight get to end in, also when the proxy is replaced. Then each is ended in the words of its protocol: WebSocket 1012, end of a stream, gRPC UNAVAILABLE; what can be repeated goes to another instance, a download is cut."`
	Spread  duration `json:"spread,omitempty" default:"5s" jsonschema:"Time over which clients that come back at once (WebSocket, server-sent events, gRPC streams) are sent away behind the timeout."`
}

type stop struct {
	Signal  text     `json:"signal,omitempty" default:"TERM" enum:"TERM|INT|QUIT|HUP|USR1|USR2|WINCH" prefix:"SIG" jsonschema:"Signal that asks the program to end."`
	Timeout duration `json:"timeout,omitempty" default:"10s" min:"1ms" jsonschema:"After it, the whole process group is killed."`
}

type limits struct {
	Memory size  `json:"memory,omitempty" min:"1MiB" jsonschema:"Memory, such as 512MiB or 1GB."`
	CPU    cores `json:"cpu,omitempty" jsonschema:"Processor cores, such as 1.5."`
}

type proxySettings struct {
	Protocol  text     `json:"protocol,omitempty" default:"http1" enum:"http1|h2c|tcp" jsonschema:"What the instances speak: http1, h2c (HTTP/2 in cleartext with prior knowledge, as gRPC servers do), or tcp: anything, each connection is passed on as bytes."`
	Hold      hold     `json:"hold,omitempty" jsonschema:"What happens to a request while no instance is ready."`
	Timeouts  timeouts `json:"timeouts,omitempty" jsonschema:"Limits in time; 0 means none."`
	Goodbye   text     `json:"goodbye,omitempty" default:"one-more-message" enum:"one-more-message|hang-up" jsonschema:"How kept-alive HTTP/1.1 connections end when the proxy itself is replaced: the next answer says so (one-more-message), which loses nothing, or idle ones are closed at once (hang-up)."`
	MaxHeader size     `json:"max_header,omitempty" default:"64KiB" min:"1KiB" jsonschema:"Largest request header."`
	MaxBody   size     `json:"max_body,omitempty" default:"0" jsonschema:"Largest request body; 0 means no limit."`
	Replay    size     `json:"replay,omitempty" default:"64MiB" jsonschema:"Largest upload that is kept while it is passed on (in memory, then on disk), so that it can be sent again to another instance when its own leaves or dies before it has the whole body. 0 keeps none: choose it for programs that act on a part of a body."`
	Trusted   words    `json:"trusted,omitempty" jsonschema:"Networks (10.0.0.0/8) whose Forwarded and X-Forwarded headers are believed."`

	Retry   *retry   `json:"retry,omitempty" jsonschema:"How many requests are sent again when a connection has ended without an answer, as is done once with those that are safe to repeat. Absent: the defaults below."`
	Outlier *outlier `json:"outlier,omitempty" jsonschema:"When an instance that fails again and again is put aside for a while; absent: never, unless it refuses connections."`
	Mirror  *mirror  `json:"mirror,omitempty" jsonschema:"Copies of requests that are sent to another service; the answers are compared and never returned. Absent: none."`
	Sticky  *sticky  `json:"sticky,omitempty" jsonschema:"Keeps a client with its instance by a cookie; when that instance ends, the client is given to another. Absent: each request goes where the fewest are in flight."`
	Rate    *rate    `json:"rate,omitempty" jsonschema:"Bounds the requests of each client address (for IPv6, each /64); those beyond are answered 429. Absent: no bound."`
	Pages   pages    `json:"pages,omitempty" jsonschema:"HTML files, relative to segue.yaml, by the status of an answer that the proxy gives by itself (400, 404, 408, 413, 429, 431, 502, 503, 504), for clients that prefer HTML to JSON. They become part of the release."`

	ProxyProtocol proxyProtocol `json:"proxy_protocol,omitempty" jsonschema:"The PROXY protocol of HAProxy and load balancers, v1 and v2, which tells in front of a connection whose it is."`
}

type retry struct {
	Budget share `json:"budget,omitempty" default:"20%" jsonschema:"Repeats in percent of the requests of the last ten seconds; beyond, the answer is 502. 0% repeats nothing."`
	Least  count `json:"least,omitempty" default:"10" min:"0" max:"10000" jsonschema:"Repeats a second that are in the budget however few the requests are."`
}

type outlier struct {
	Failures count    `json:"failures,omitempty" default:"5" min:"1" max:"1000000" jsonschema:"So many in a row: connections refused or broken off, answers that do not come in time or cannot be understood."`
	For      duration `json:"for,omitempty" default:"30s" min:"100ms" jsonschema:"How long it is put aside, times how often it was, up to ten times."`
	Most     share    `json:"most,omitempty" default:"50%" min:"1" jsonschema:"Share of the instances that may be put aside at once, rounded down."`
	Errors   boolean  `json:"errors,omitempty" default:"false" jsonschema:"true: an answer with a status of 500 or above is a failure, too."`
}

type mirror struct {
	To      text    `json:"to,omitempty" jsonschema:"The service that gets the copies, with the field Segue-Mirror: 1."`
	Share   share   `json:"share,omitempty" default:"10%" jsonschema:"Share of the requests that are copied."`
	MaxBody size    `json:"max_body,omitempty" default:"64KiB" jsonschema:"Requests with a larger body, or one of unknown length, are not copied; 64KiB at most."`
	Unsafe  boolean `json:"unsafe,omitempty" default:"false" jsonschema:"true: requests of every method are copied, so that what they do is done twice; false: those of safe methods, such as GET and HEAD."`
}

type sticky struct {
	Cookie text     `json:"cookie,omitempty" jsonschema:"Name of the cookie. Default: segue-NAME, with the service's name. Instances do not see it."`
	TTL    duration `json:"ttl,omitempty" default:"0s" jsonschema:"How long the client keeps it from when it was set; 0s: until the browser ends."`
}

type rate struct {
	Requests count    `json:"requests,omitempty" min:"1" max:"1000000" jsonschema:"So many within per, evenly spread."`
	Per      duration `json:"per,omitempty" default:"1s" min:"1ms" jsonschema:"The time for requests, up to 1h."`
	Burst    count    `json:"burst,omitempty" min:"1" max:"1000000" jsonschema:"So many at once after a rest. Default: requests."`
}

type proxyProtocol struct {
	Accept words `json:"accept,omitempty" jsonschema:"Networks (10.0.0.0/8) whose connections must begin with a PROXY header; the address in it is the client's. The same for all services on an address."`
	Send   text  `json:"send,omitempty" enum:"v1|v2" jsonschema:"Header that each connection to an instance begins with; for protocol: tcp only."`
}

type hold struct {
	Timeout duration `json:"timeout,omitempty" default:"10s" jsonschema:"How long a request waits for a ready instance; 0 refuses it at once."`
	Max     count    `json:"max,omitempty" default:"1000" min:"0" max:"1000000" jsonschema:"How many requests may wait."`
}

type timeouts struct {
	Header       duration `json:"header,omitempty" default:"10s" jsonschema:"For the client's whole request header."`
	Body         duration `json:"body,omitempty" default:"30s" jsonschema:"Longest pause while the client's body arrives."`
	Idle         duration `json:"idle,omitempty" default:"60s" jsonschema:"For a kept-alive connection of a client. With protocol: tcp, a connection on which nothing moves; default 0s there."`
	Answer       duration `json:"answer,omitempty" default:"0s" jsonschema:"Until the instance's response header."`
	UpstreamIdle duration `json:"upstream_idle,omitempty" default:"4s" jsonschema:"For a kept-alive connection to an instance; keep it shorter than what the instance itself allows."`
	Goodbye      duration `json:"goodbye,omitempty" default:"10s" jsonschema:"How long one-more-message waits for that message; then idle connections are hung up."`
}

type logs struct {
	MaxSize size  `json:"max_size,omitempty" default:"50MiB" min:"1KiB" jsonschema:"Size at which a log file is rotated."`
	Keep    count `json:"keep,omitempty" default:"5" min:"0" max:"1000" jsonschema:"Rotated files kept per instance."`
}
