package deploy

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// An Occasion is what somebody may want to be told of.
type Occasion string

const (
	OnBegin       Occasion = "begin"       // a rollout has begun
	OnDone        Occasion = "done"        // it has ended as wanted
	OnRolledBack  Occasion = "rolled back" // it was undone
	OnWaiting     Occasion = "waiting"     // it waits for a person's `segue promote`
	OnFailed      Occasion = "failed"      // something else did not work, and nothing was changed by it
	OnMaintenance Occasion = "maintenance" // maintenance was begun or ended
	OnFreeze      Occasion = "freeze"      // a freeze was begun or ended, or overridden
	OnShedding    Occasion = "shedding"    // requests are turned away for want of capacity, more of them, or none any more
	OnFlag        Occasion = "flag"        // a ramp of a feature flag has ended, by itself or as wanted
	OnTest        Occasion = "test"        // `segue notify test`
)

// A Webhook is who is told: a URL that takes POSTs. The URL may be a secret
// (those of chat services are), so that it is named by the variable that holds
// it, or given as it is; exactly one of URL and URLEnv is set.
type Webhook struct {
	URL       string     `json:"url,omitempty"`
	URLEnv    string     `json:"url_env,omitempty"`
	SecretEnv string     `json:"secret_env,omitempty"` // variable with the key to sign with, see WebhookKey; "" not signed
	On        []Occasion `json:"on,omitempty"`         // none: all
}

// Wants reports whether the webhook is to be told of an occasion. Tests are
// for all.
func (w Webhook) Wants(o Occasion) bool {
	return len(w.On) == 0 || o == OnTest || slices.Contains(w.On, o)
}

// Lane tells a service's webhooks apart: what is for one of them stays in order.
func (w Webhook) Lane() string {
	if w.URLEnv != "" {
		return "$" + w.URLEnv
	}
	return w.URL
}

// Name is what people know a webhook by: the variable, or the
// host of a URL that is no secret.
func (w Webhook) Name() string {
	if w.URLEnv != "" {
		return "$" + w.URLEnv
	}
	if u, err := url.Parse(w.URL); err == nil {
		return u.Host
	}
	return "webhook"
}

// A Notice is what is told, of a service.
type Notice struct {
	On      Occasion
	Text    string   // a sentence for people, without the service's name; a line
	Who     string   // who did it
	Why     string   // "": not said
	Rollout *Rollout // nil: none is concerned
}

// WebhookKey reads a key as the Standard Webhooks specification writes it: at
// least 24 bytes in base64, behind "whsec_" or not. Its errors do not show it.
func WebhookKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil || len(key) < 24 {
		return nil, fmt.Errorf("it is no key of at least 24 bytes in base64; make one with `openssl rand -base64 32`")
	}
	return key, nil
}

// WebhookURL checks a URL to be told at. Its errors do not show it.
func WebhookURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("it is no URL that starts with https:// or http://")
	}
	return nil
}
