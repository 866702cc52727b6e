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
	if public {
		set = set.Public()
	}
	return ofrep.Handler(func() *featureflag.Set { return set }), nil
}
