package lint

import (
	"bytes"

	"go.yaml.in/yaml/v4"
)

// action is what Helm's templates do and nothing else does: Argo, Prometheus
// and Docker write other things between the same braces.
var action = Pattern(`\{\{-?\s*(/\*|\.(Values|Release|Chart|Capabilities|Files|Template)\b|\$\w*\s*:?=|\$\.|(include|template|define|if|else|end|range|with|tpl|toYaml|block)\b)`)

// alert is what Prometheus' own templates read, which do the same as Helm's.
var alert = Pattern(`\{\{-?[^}]*\$(labels|value|externalLabels)\b`)

const (
	templateWhat = "this is a Helm template, which is no YAML before it is rendered"
	templateMend = "helm template CHART | segue lint -"
)

// asTemplate explains why a document cannot be parsed, if it is a template.
func asTemplate(c chunk, problem *Problem) *Problem {
	at := action().FindIndex(c.data)
	if at == nil {
		return problem
	}
	return &Problem{At: c.place(at[0]), What: templateWhat, Mend: templateMend}
}

// findTemplate looks for actions in what parses all the same: in braces that
// make a key, or a text of one line. In a longer text they are somebody else's.
func findTemplate(c chunk, root *yaml.Node) *Problem {
	if !bytes.Contains(c.data, []byte("{{")) {
		return nil
	}
	n := templated(root)
	if n == nil {
		return nil
	}
	return &Problem{At: Place{Line: n.Line, Column: n.Column}, What: templateWhat, Mend: templateMend}
}

func templated(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && action().MatchString(n.Value) && !alert().MatchString(n.Value) {
		return n
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Kind == yaml.MappingNode {
			return n
		}
		if found := templated(c); found != nil {
			return found
		}
	}
	return nil
}

// place is where an offset into a chunk is.
func (c chunk) place(offset int) Place {
	before := c.data[:offset]
	line := bytes.Count(before, []byte{'\n'})
	return Place{Line: c.first + line, Column: 1 + len([]rune(string(before[bytes.LastIndexByte(before, '\n')+1:])))}
}
