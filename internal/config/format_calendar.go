package config

// timing is when deploys of a service may go out, and where its commits come from.
type timing struct {
	Windows []weekly `json:"windows,omitempty" jsonschema:"When a running service may be deployed or restarted; absent: always. At the top of a file with services: of each that has none of its own."`
	Freeze  []freeze `json:"freeze,omitempty" jsonschema:"When it may not, windows or no. At the top of a file with services: for all of them, beside their own."`
	Source  *source  `json:"source,omitempty" jsonschema:"A branch of a Git repository that the agent watches, builds and deploys. Absent: only segue deploy deploys."`
}

type weekly struct {
	Days weekdays  `json:"days,omitempty" jsonschema:"Days on which it begins: mon, tue, wed, thu, fri, sat, sun, a range (mon-fri), or a list of them; absent: every day."`
	From clockTime `json:"from,omitempty" default:"00:00" jsonschema:"When it begins, by the 24-hour clock."`
	To   clockTime `json:"to,omitempty" default:"24:00" jsonschema:"When it ends; where this is not after from, on the next day."`
	Zone zoneName  `json:"zone,omitempty" jsonschema:"Time zone, by its name in the IANA database (Europe/Berlin); absent: the machine's."`
}

type freeze struct {
	From moment   `json:"from,omitempty" jsonschema:"First day (2026-12-18), or time (2026-12-18 18:00)."`
	To   moment   `json:"to,omitempty" jsonschema:"Last day, which is frozen too, or time."`
	Zone zoneName `json:"zone,omitempty" jsonschema:"Time zone of both; absent: the machine's."`
	Why  text     `json:"why,omitempty" jsonschema:"What is told to who wants to deploy."`
}

type source struct {
	Repo        text     `json:"repo,omitempty" jsonschema:"The repository: a path (relative to segue.yaml), or a URL (https, http, ssh, git@host:path)."`
	Branch      text     `json:"branch,omitempty" default:"main" jsonschema:"The branch whose newest commit is deployed."`
	File        text     `json:"file,omitempty" default:"segue.yaml" jsonschema:"The segue.yaml in it, relative to its top."`
	Immediately boolean  `json:"immediately,omitempty" default:"false" jsonschema:"true: a commit goes out when it is seen, as is done without a schedule."`
	Schedule    cronText `json:"schedule,omitempty" jsonschema:"When the newest commit goes out, as in crontab: minute hour day month weekday (0 4 * * * is 4 a.m. each day)."`
	Zone        zoneName `json:"zone,omitempty" jsonschema:"Time zone of schedule; absent: the machine's."`
	Every       duration `json:"every,omitempty" default:"1m" min:"1s" jsonschema:"Time from one look at the repository to the next."`
	Key         text     `json:"key,omitempty" jsonschema:"File with the private key for ssh, relative to segue.yaml; absent: those of ssh-agent, or ~/.ssh/id_ed25519, id_ecdsa, id_rsa of the agent's user."`
}
