package manifest

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// order has the keys that come first and those that come last, wherever they are;
// the others stand between them in the order of the alphabet. A reader wants to
// know first what it is and how much of it, and the long parts last.
var first, last = []string{
	"apiVersion", "kind", "metadata", "name", "namespace", "labels", "annotations", "type", "image", "imagePullPolicy", "command", "ports", "envFrom", "env",
	"startupProbe", "readinessProbe", "livenessProbe", "httpGet", "tcpSocket", "exec", "lifecycle", "resources", "securityContext",
	"schedule", "timeZone", "scaleTargetRef", "minReplicas", "maxReplicas", "replicas", "maxUnavailable", "strategy", "minReadySeconds", "progressDeadlineSeconds", "progressDeadlineAbort",
	"revisionHistoryLimit", "parentRefs", "hostnames", "selector", "containers", "terminationGracePeriodSeconds",
}, []string{"volumes", "jobTemplate", "spec", "template", "status"}

// YAML writes the objects with their comments, as documents of one stream.
func YAML(w io.Writer, objects []Object) error {
	for i, o := range objects {
		if i > 0 {
			if _, err := io.WriteString(w, "---\n"); err != nil {
				return err
			}
		}
		if err := o.write(w); err != nil {
			return err
		}
	}
	return nil
}

func (o Object) write(w io.Writer) error {
	fields, err := plain(o.Is)
	if err != nil {
		return err
	}
	root := node(fields, "", o.why)
	if _, err := io.WriteString(w, commentLines(o.about)); err != nil {
		return err
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	e.CompactSeqIndent()
	if err := e.Encode(root); err != nil {
		return fmt.Errorf("write %s: %w", o.Is.GetObjectKind().GroupVersionKind().Kind, err)
	}
	return e.Close()
}

// Fields are the object as JSON has it, in no order.
func (o Object) Fields() (map[string]any, error) { return plain(o.Is) }

// node is a value with the comments of what is below path.
func node(value any, path string, why map[string]string) *yaml.Node {
	switch v := value.(type) {
	case map[string]any:
		return mapping(v, path, why)
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		if len(v) == 0 {
			n.Style = yaml.FlowStyle
		}
		for _, item := range v {
			n.Content = append(n.Content, node(item, path, why))
		}
		return n
	case string:
		return text(v)
	case bool:
		return scalar("!!bool", strconv.FormatBool(v))
	case float64:
		return scalar("!!float", strconv.FormatFloat(v, 'g', -1, 64))
	case nil:
		return scalar("!!null", "null")
	}
	return scalar("!!int", fmt.Sprint(value))
}

func mapping(m map[string]any, path string, why map[string]string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if len(m) == 0 {
		n.Style = yaml.FlowStyle
	}
	for _, key := range slices.SortedFunc(maps.Keys(m), byRank) {
		at := strings.TrimPrefix(path+"."+key, ".")
		k := text(key)
		k.HeadComment = strings.TrimSuffix(commentLines(why[at]), "\n")
		n.Content = append(n.Content, k, node(m[key], at, why))
	}
	return n
}

func byRank(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) }

func rank(key string) int {
	if i := slices.Index(first, key); i >= 0 {
		return i
	}
	if i := slices.Index(last, key); i >= 0 {
		return len(first) + 1 + i
	}
	return len(first)
}

func scalar(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

// unquoted is what every version of YAML reads as the same text without quotes:
// Kubernetes' tools have one in which "on" is true and "1:20" a number.
var unquoted = pattern(`^-{0,2}[A-Za-z/$_][-A-Za-z0-9/._$()+=@:,]*$|^([0-9]+(h|m|s|[KMGT]i))+$`)

// spoken are words that some of them read as something else.
var spoken = pattern(`(?i)^(y|n|yes|no|on|off|true|false|null|.*:)$`)

func text(s string) *yaml.Node {
	n := scalar("!!str", s)
	if !unquoted().MatchString(s) || spoken().MatchString(s) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// commentLines breaks a text into lines of comments. What is in lines already
// stays so.
func commentLines(text string) string {
	const width = 96
	var b strings.Builder
	for line := range strings.Lines(text) {
		at := 0
		for _, word := range strings.Fields(line) {
			switch {
			case at == 0:
				b.WriteString("# " + word)
			case at+1+len(word) > width:
				b.WriteString("\n# " + word)
				at = 0
			default:
				b.WriteString(" " + word)
			}
			at += 1 + len(word)
		}
		b.WriteString("\n")
	}
	return b.String()
}
