package deploy

import "time"

// Maintenance is how a Service goes through `segue maintenance`, where its
// command does not say otherwise.
type Maintenance struct {
	// EnvNames are the variables that have another value, or that there are only,
	// in instances that are started ReadOnly. The values are kept beside the
	// Release's Environment. None: such instances are not started.
	EnvNames   []string      `json:"env_names,omitempty"`
	Page       string        `json:"page,omitempty"` // HTML for people; "": the proxy's own
	RetryAfter time.Duration `json:"retry_after"`    // told to clients
}

// ReadsApart reports whether reads are served, while writes are not, by
// instances of another environment.
func (s *Service) ReadsApart() bool { return s.Maintenance != nil && len(s.Maintenance.EnvNames) > 0 }
