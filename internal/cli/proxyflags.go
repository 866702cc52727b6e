package cli

import (
	"net/http"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/featureflag/ofrep"
)

// serveFlags makes what the proxy evaluates flags with. It is here so that the
// proxy itself needs nothing of ours.
func serveFlags(definitions []byte, public bool) (http.Handler, error) {
	d, err := featureflag.Parse(definitions)
	if err != nil {
		return nil, err
	}
	set := featureflag.Compile(d)
	var options []ofrep.Option
	if public { // for pages: their address has the proxy's events, too
		set = set.Public()
		options = append(options, ofrep.Events("/.segue/events"))
	}
	return ofrep.Handler(func() *featureflag.Set { return set }, options...), nil
}
