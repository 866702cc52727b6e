package gate

import "strings"

// setAside reads the comments in front of a statement: -- segue: unsafe RULE WHY.
// Whoever sets a rule aside has to say why.
func (j *judge) setAside(comments []comment, tokens []token) {
	j.asides = map[string]string{}
	for _, c := range comments {
		words, ok := strings.CutPrefix(c.text, "segue:")
		if !ok {
			continue
		}
		fields := strings.Fields(words)
		if len(fields) == 0 || fields[0] != "unsafe" {
			continue // somebody else's word
		}
		j.at = c.at
		behind := len(tokens) > 0 && c.at > tokens[0].at
		if behind || len(fields) < 3 || !Known(fields[1]) || fields[1] == "unsafe-comment" {
			j.report("unsafe-comment")
			continue
		}
		j.asides[fields[1]] = strings.Join(fields[2:], " ")
	}
	j.at = 0
}
