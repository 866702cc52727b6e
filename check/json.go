package check

import (
	"encoding/json"
	"io"
)

// WriteJSON writes the report as indented JSON. Times are seconds.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
