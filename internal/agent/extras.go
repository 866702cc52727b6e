package agent

import (
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/proxy"
)

// addExtras gives the proxy what a service's path of requests can do beyond
// forwarding.
func addExtras(p *proxy.Service, x *deploy.Proxy) {
	p.Retry = (*proxy.Retry)(x.Retry)
	p.Outlier = (*proxy.Outlier)(x.Outlier)
	p.Sticky = (*proxy.Sticky)(x.Sticky)
	p.Rate = (*proxy.Rate)(x.Rate)
	p.Pages = x.Pages
	if m := x.Mirror; m != nil {
		p.Mirror = &proxy.Mirror{To: m.To, Percent: m.Percent, MaxBody: none(m.MaxBody), Unsafe: m.Unsafe}
	}
}

// mirrorStatus puts what the proxy tells of copies into the control API's words.
func mirrorStatus(m *proxy.MirrorStatus) *control.Mirror {
	if m == nil {
		return nil
	}
	out := &control.Mirror{To: m.To, Same: m.Same, Status: m.Status, Body: m.Body, Failed: m.Failed, Skipped: m.Skipped}
	for _, d := range m.Differences {
		out.Differences = append(out.Differences, control.Difference(d))
	}
	return out
}
