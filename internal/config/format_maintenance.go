package config

import (
	"errors"
	"io/fs"
	"time"
	"unicode/utf8"

	"github.com/seguehq/segue/internal/deploy"
)

type maintenance struct {
	Env        variables `json:"env,omitempty" jsonschema:"Variables that instances get beside, or in place of, those of env while segue maintenance on --writes is in force, such as the URL of a read replica. Absent: the instances stay as they are."`
	Page       text      `json:"page,omitempty" jsonschema:"HTML file, relative to segue.yaml, that people see in place of Segue's own page. It becomes part of the release."`
	RetryAfter duration  `json:"retry_after,omitempty" default:"30s" min:"1s" jsonschema:"When clients are told to ask again (Retry-After)."`
}

// maintenance checks what is wanted for times of maintenance. Its environment
// is as secret as the service's own.
func (s scope) maintenance(set *maintenance, via deploy.Via, protocol deploy.Protocol) (*deploy.Maintenance, deploy.Environment) {
	if set == nil {
		return nil, nil
	}
	if via != deploy.ViaProxy {
		s.fail("maintenance", "no request of this service passes the proxy, so none can be kept from it", "take it out, or give the service a listen address and via: proxy")
		return nil, nil
	}
	if protocol == deploy.TCP {
		s.fail("maintenance", "a connection of protocol: tcp cannot be told of maintenance", "take it out; `segue pause` parks its new connections")
		return nil, nil
	}
	out := &deploy.Maintenance{RetryAfter: time.Duration(set.RetryAfter)}
	if s.has("maintenance.page") {
		out.Page = s.maintenancePage(string(set.Page))
	}
	env := deploy.Environment(set.Env)
	s.reservedIn("maintenance.env", set.Env)
	out.EnvNames = env.Names()
	return out, env
}

// reservedIn refuses names in a further environment that segue itself gives.
func (s scope) reservedIn(path string, env variables) {
	_, section := s.find(path)
	for name := range env {
		if bad := reserved(name, true); bad != nil {
			key, _ := section.get(name)
			s.r.failAt(key.line, key.col, join(s.path, path+"."+clip(name)), bad.what, bad.mend)
		}
	}
}

// maintenancePage reads the file: a release has to show it when the folder that
// it came from has gone.
func (s scope) maintenancePage(name string) string {
	_, at := s.find("maintenance.page")
	data, err := readBounded(s.absolute(name), clip(at.text))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.fail("maintenance.page", err.Error(), "name a file with HTML, relative to segue.yaml")
	case err != nil:
		s.fail("maintenance.page", err.Error(), "")
	case len(data) > mostPage:
		s.fail("maintenance.page", "a page of more than 256 KiB", "put its pictures elsewhere")
	case len(data) == 0 || !utf8.Valid(data):
		s.fail("maintenance.page", "the file is empty, or no text in UTF-8", "write a whole HTML page into it")
	}
	return string(data)
}
