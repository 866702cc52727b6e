// Package ofrep serves flags over OpenFeature's Remote Evaluation Protocol, so that
// any language's OpenFeature client works with them.
package ofrep

import (
	"net/http"

	"github.com/seguehq/segue/featureflag"
)

// Handler answers POST …/ofrep/v1/evaluate/flags and …/flags/{key}, whatever
// stands before /ofrep in the path, from what set gives at each request.
func Handler(set func() *featureflag.Set) http.Handler { panic("not written yet") }
