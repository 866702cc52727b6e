// Command unhandled knows of no signal, like the first example of net/http:
// https://pkg.go.dev/net/http#hdr-Servers
package main

import (
	"log"
	"net/http"

	"github.com/seguehq/segue/test/frameworks/apps/go/paths"
)

func main() {
	log.Fatal(http.ListenAndServe(paths.Addr(), paths.Handler()))
}
