// Package page is segue.js, the script with which a browser tab keeps up with the
// releases of the service that it was loaded from. The proxy serves it as
// /.segue/segue.js; web developers who bundle take it from npm as @seguehq/page,
// of which this folder is the source. What it does for a page is in docs/page.md.
package page

import _ "embed"

//go:generate go test -count=1 ../test/page -run TestBuilt -update

//go:embed segue.js
var js []byte

// JS returns the script: minified, no more than a few KB, the same bytes on each
// call. Who changes them changes everybody's.
func JS() []byte { return js }
