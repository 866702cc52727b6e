package systemd

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// fdStore: sockets that a program hands to systemd are closed.
func fdStore(w *World, report lint.Report) {
	for _, u := range w.Told() {
		most, keep := u.service("FileDescriptorStoreMax"), u.service("FileDescriptorStorePreserve")
		f := lint.Finding{At: most.at, Mend: "set FileDescriptorStoreMax= to as many as the program hands over, 128 if in doubt"}
		switch {
		case most.value == "0":
			f.Hazard = "what the program hands to systemd to keep (FDSTORE=1) is closed: it loses its listening sockets, and the connections that wait in them, on a restart"
		case u.Whole && most.value == "" && (keep.value == "yes" || keep.value == "restart"):
			f.At = keep.at
			f.Hazard = fmt.Sprintf("FileDescriptorStorePreserve=%s keeps nothing, as FileDescriptorStoreMax is 0 by default: what the program hands to systemd is closed", keep.value)
		default:
			continue
		}
		report(f)
	}
}
