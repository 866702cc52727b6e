package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/internal/config"
)

// mostFlags is the most that a file of flags may have, in bytes.
const mostFlags = 4 << 20

// fileFlags reads the file of flags that a service's deploys bring in, and checks it;
// nil: there is none.
func fileFlags(s *config.Service) (json.RawMessage, error) {
	if s.FlagsFile == "" {
		return nil, nil
	}
	data, err := os.ReadFile(s.FlagsFile)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Sprintf("%s: flags: %v; name a file with flags in flagd's JSON, relative to segue.yaml", s.Name, err)}
	}
	if len(data) > mostFlags {
		return nil, &exitError{exitUsage, fmt.Sprintf("%s: flags: %s has more than 4 MiB", s.Name, s.Flags)}
	}
	if err := checkFlags(data); err != nil {
		return nil, &exitError{exitUsage, fmt.Sprintf("%s: flags: %s: %v", s.Name, s.Flags, err)}
	}
	return data, nil
}

// checkFlags names every flag of a document that cannot be evaluated.
func checkFlags(data []byte) error {
	d, err := featureflag.Parse(data)
	if err != nil {
		return err
	}
	problems := featureflag.Compile(d).Problems()
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(problems)) {
		errs = append(errs, fmt.Errorf("flag %q: %w", key, problems[key]))
	}
	return errors.Join(errs...)
}

// flagNames lists the flags in a file that was checked.
func flagNames(data json.RawMessage) []string {
	d, err := featureflag.Parse(data)
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(d.Flags))
}

// tellFlags says which flags a deploy has changed that had nothing else to do.
func (e *env) tellFlags(service string, changed []string) {
	if len(changed) > 0 {
		e.say("%s: %s brought in: %s", service, plural(len(changed), "flag"), strings.Join(changed, ", "))
	}
}
