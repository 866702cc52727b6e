package cli

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/config"
)

type installCmd struct {
	Dir   string `default:"/etc/systemd/system" type:"path" help:"Where the units are written."`
	User  string `help:"Run as this user instead of root." placeholder:"NAME"`
	Print bool   `help:"Print the units instead of writing them."`
	Force bool   `help:"Overwrite units that are there and differ."`
}

func (c *installCmd) Help() string {
	return `Writes segue.service, and with a segue.yaml (--file) segue.socket with the addresses that it
listens on: systemd then holds the listening sockets, so that not even the death of agent and
proxy together refuses a connection. Enable them with:
  systemctl daemon-reload && systemctl enable --now segue.socket segue.service`
}

func (c *installCmd) Run(e *env) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	state := e.flags.State
	if state == "" {
		state = "/var/lib/segue"
	}
	units := map[string]string{"segue.service": c.service(self, state)}
	if exists(e.flags.File) {
		f, err := e.load()
		if err != nil {
			return err
		}
		if s := socketUnit(f); s != "" {
			units["segue.socket"] = s
		}
	}
	for _, name := range []string{"segue.socket", "segue.service"} {
		if text, ok := units[name]; ok {
			if err := c.put(e, name, text); err != nil {
				return err
			}
		}
	}
	if !c.Print {
		e.say("next: systemctl daemon-reload && systemctl enable --now %s", strings.Join(slices.Sorted(maps.Keys(units)), " "))
	}
	return nil
}

// put writes a unit, but never over one that somebody has changed.
func (c *installCmd) put(e *env, name, text string) error {
	if c.Print {
		fmt.Fprintf(e.out, "# %s\n%s\n", name, text)
		return nil
	}
	path := filepath.Join(c.Dir, name)
	old, err := os.ReadFile(path)
	if err == nil && string(old) != text && !c.Force {
		return &exitError{exitFailed, fmt.Sprintf("%s is there and differs; look at `segue install --print`, or overwrite it with --force", path)}
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the unit: %w; run it as root, or choose --dir", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	e.say("wrote %s", path)
	return nil
}

// service is the agent's unit. KillMode=process and no more: the agent's end is
// not that of proxy and instances, which the next agent adopts.
func (c *installCmd) service(self, state string) string {
	user := ""
	if c.User != "" {
		user = "User=" + c.User + "\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"
	}
	where := "ReadWritePaths=" + state
	if rest, ok := strings.CutPrefix(state, "/var/lib/"); ok {
		where = "StateDirectory=" + rest + "\nStateDirectoryMode=0700"
	}
	return `[Unit]
Description=Segue: replaces running software without losing a request
Wants=network-online.target
After=network-online.target
# It is tried again for ever.
StartLimitIntervalSec=0

[Service]
Type=notify
# exec of a new binary by ` + "`segue upgrade`" + ` keeps the pid and tells again that it is ready.
NotifyAccess=main
ExecStart=` + self + ` --state ` + state + ` agent
Restart=always
RestartSec=200ms
# Proxy and instances outlive the agent.
KillMode=process
# segue-lint:ignore send-sigkill because what outlives the agent must not be killed with it
SendSIGKILL=no
# Limits of instances are cgroups below this unit's own.
Delegate=yes
DelegateSubgroup=segue-agent
` + user + where + `
LimitNOFILE=1048576
UMask=0077
# Instances inherit what follows: nothing here keeps a service from its work.
NoNewPrivileges=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=no
ProtectClock=yes
ProtectHostname=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
`
}

func socketUnit(f *config.File) string {
	var listen []string
	for _, s := range f.Services {
		for _, l := range s.Kept() {
			line := "ListenStream=" + strings.TrimPrefix(l, ":")
			if !slices.Contains(listen, line) {
				listen = append(listen, line)
			}
		}
	}
	if len(listen) == 0 {
		return ""
	}
	return `[Unit]
Description=Listening sockets of Segue

[Socket]
` + strings.Join(listen, "\n") + `
Backlog=4096
Service=segue.service

[Install]
WantedBy=sockets.target
`
}
