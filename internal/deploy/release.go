package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"time"
)

// A Release is one immutable version of a Service: its files, by the digest of
// their content, its settings and its environment.
type Release struct {
	Service string    `json:"service"`
	Number  int       `json:"number"` // 1, 2, 3 … in the order they were made
	Digest  string    `json:"digest"` // of Tree, Spec and the environment: equal means the same release
	Tree    string    `json:"tree"`   // digest of the files
	Spec    Service   `json:"spec"`
	Made    time.Time `json:"made"`
}

// String is how people are told of a release.
func (r *Release) String() string {
	if r == nil {
		return "none"
	}
	return fmt.Sprintf("release %d", r.Number)
}

// DigestOf tells releases apart: it covers the files (by their own digest), all
// settings but the replica count (scaling is no new release), and the
// environment, of which nothing can be read back from it. salt keeps short
// secrets from being guessed by hashing; it is the same for all releases of a
// state folder.
func DigestOf(tree string, spec Service, env Environment, salt []byte) (string, error) {
	spec.Replicas = 0
	js, err := json.Marshal(spec)
	if err != nil {
		return "", fmt.Errorf("digest of service %s: %w", spec.Name, err)
	}
	names := make([]string, 0, len(env))
	for k := range env {
		names = append(names, k)
	}
	sort.Strings(names)
	h := sha256.New()
	h.Write(salt)
	fmt.Fprintf(h, "%s\n%s\n", tree, js)
	for _, k := range names {
		fmt.Fprintf(h, "%d:%s=%d:%s\n", len(k), k, len(env[k]), env[k])
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Names lists the variables, without their values.
func (e Environment) Names() []string {
	names := make([]string, 0, len(e))
	for k := range e {
		names = append(names, k)
	}
	sort.Strings(names)
	return names
}

// String hides the values, and Format and LogValue see to it that printing an
// Environment by accident tells nothing, whatever the verb.
func (e Environment) String() string { return "[" + strings.Join(e.Names(), " ") + "]" }

// Format implements fmt.Formatter.
func (e Environment) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte(e.String())) // fmt has nowhere to tell of it
}

// LogValue implements slog.LogValuer.
func (e Environment) LogValue() slog.Value { return slog.StringValue(e.String()) }
