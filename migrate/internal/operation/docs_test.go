package operation

import (
	"os"
	"strings"
	"testing"
)

func TestTheReferenceShowsWhatIsRead(t *testing.T) {
	data, err := os.ReadFile("../../../docs/migrate-operations.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for i, block := range strings.Split(string(data), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		m, err := Parse("block.yaml", []byte(text))
		if err != nil {
			t.Errorf("block %d: %v\n%s", i+1, err, text)
			continue
		}
		for _, op := range m.Operations {
			shown[op.Kind()] = true
		}
	}
	for kind := range kinds() {
		if !shown[kind] && kind != "set_replica_identity" { // which is written in one line
			t.Errorf("%s is not shown", kind)
		}
	}
}
