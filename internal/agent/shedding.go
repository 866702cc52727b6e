package agent

import (
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/proxy"
)

func proxyShedding(s *deploy.Shedding) *proxy.Shedding {
	if s == nil {
		return nil
	}
	out := &proxy.Shedding{InFlight: s.InFlight, P95: s.P95, Errors: s.Errors}
	for _, r := range s.Routes {
		out.Routes = append(out.Routes, proxy.Ranked(r))
	}
	return out
}
