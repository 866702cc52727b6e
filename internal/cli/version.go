package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/seguehq/segue/internal/agent"
	"github.com/seguehq/segue/internal/journal"
)

// release is set by the linker (-X) when a version is built.
var release = ""

// version is the release, or what the build knows of its commit.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "devel"
	}
	return info.Main.Version
}

type versionCmd struct{}

func (c *versionCmd) Run(e *env) error {
	v := agent.Capabilities{Version: version(), Go: runtime.Version(), Journal: journal.Version, Control: true}
	return e.print(v, func(w out) { fmt.Fprintf(w, "segue %s (%s)\n", v.Version, v.Go) })
}
