package drill

import (
	"encoding/json"
	"fmt"
	"io"
)

// document is a result as JSON: the verdict first, for readers in a hurry.
type document struct {
	Verdict Verdict `json:"verdict"`
	*Result
}

// WriteJSON writes the whole result, indented, with its verdict.
func (r *Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(document{r.Verdict(), r}); err != nil {
		return fmt.Errorf("drill: writing the result: %w", err)
	}
	return nil
}

// ReadJSON reads what WriteJSON wrote. (The verdict is worked out anew.)
func ReadJSON(r io.Reader) (*Result, error) {
	doc := document{Result: &Result{}}
	if err := json.NewDecoder(r).Decode(&doc); err != nil {
		return nil, fmt.Errorf("drill: reading a result: %w", err)
	}
	return doc.Result, nil
}
