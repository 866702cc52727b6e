package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/seguehq/segue/drill"
)

// drillLines are what `segue drill --json --progress` writes, each on a line:
// live numbers, and at the end the result. internal/engine/kubernetes/drilljob
// reads them.
type drillLines struct {
	Live   *drill.Snapshot `json:"live,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

func writeLive(w io.Writer, s drill.Snapshot) {
	_ = json.NewEncoder(w).Encode(drillLines{Live: &s}) // the next one tells as much
}

func writeResult(w io.Writer, r *drill.Result) error {
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		return err
	}
	if err := json.NewEncoder(w).Encode(drillLines{Result: b.Bytes()}); err != nil {
		return fmt.Errorf("write the drill's result: %w", err)
	}
	return nil
}
