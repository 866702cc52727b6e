// Command segue replaces running software without losing a request, and
// proves it.
package main

import (
	"os"

	"github.com/seguehq/segue/internal/cli"
	"github.com/seguehq/segue/internal/engine/process"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "_instance" {
		os.Exit(process.Shim())
	}
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
