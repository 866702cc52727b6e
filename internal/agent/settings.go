package agent

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/seguehq/segue/internal/control"
)

func (a *Agent) settingsFile() string { return filepath.Join(a.o.State, "settings.json") }

func (a *Agent) loadSettings() error {
	if err := readJSON(a.settingsFile(), &a.settings); err != nil {
		return fmt.Errorf("settings %s: %w; remove the file to go back to the defaults", a.settingsFile(), err)
	}
	return nil
}

// Settings implements control.Agent.
func (a *Agent) Settings(ctx context.Context, x control.Settings) error {
	a.mu.Lock()
	same := a.settings == x
	a.mu.Unlock()
	if same {
		return nil
	}
	if err := a.metrics.listen(x.Metrics); err != nil {
		return control.Errorf(control.CodeInvalid, "%v", err)
	}
	if err := writeJSON(a.settingsFile(), x); err != nil {
		return err
	}
	a.mu.Lock()
	a.settings = x
	a.mu.Unlock()
	if a.proxy.now() != nil {
		return a.proxy.apply(ctx)
	}
	return nil
}

func (a *Agent) accessLog() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.settings.AccessLog
}
