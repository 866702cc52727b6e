package drill

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

// -reports writes the sample reports there, to be looked at.
var reports = flag.String("reports", "", "directory for sample reports")

func TestReports(t *testing.T) {
	if *reports == "" {
		t.Skip("no -reports")
	}
	for name, losses := range map[string]int{"clean": 0, "lossy": 23} {
		r := sample(losses)
		var h, x bytes.Buffer
		if err := r.WriteHTML(&h); err != nil {
			t.Fatal(err)
		}
		if err := r.WriteText(&x); err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join(*reports, name+".html"), h.Bytes(), 0o644)
		os.WriteFile(filepath.Join(*reports, name+".txt"), x.Bytes(), 0o644)
	}
}
