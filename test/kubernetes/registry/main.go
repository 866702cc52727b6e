// Command registry is the container registry of a lab: plain HTTP, with what is
// pushed in a folder.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:5000", "where it listens")
	dir := flag.String("dir", "", "where blobs are kept; manifests are in memory")
	flag.Parse()
	server := &http.Server{
		Addr: *listen,
		Handler: registry.New(
			registry.WithBlobHandler(registry.NewDiskBlobHandler(*dir)),
			registry.Logger(log.New(io.Discard, "", 0)),
		),
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}
