package config

import (
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/deploy"
)

// webhook is somebody who is told; exactly one of url and url_env is given.
type webhook struct {
	URL       text      `json:"url,omitempty" env:"off" jsonschema:"URL to POST to, where it is no secret."`
	URLEnv    text      `json:"url_env,omitempty" env:"off" jsonschema:"Name of the variable (of env or env_file) that holds the URL. Those of chat services are secrets."`
	SecretEnv text      `json:"secret_env,omitempty" env:"off" jsonschema:"Name of the variable that holds the key to sign with, as openssl rand -base64 32 makes it; absent: not signed."`
	On        occasions `json:"on,omitempty" jsonschema:"What it is told of: begin, done, rolled back, waiting, failed, maintenance, freeze, shedding, flag. Absent: all."`
}

// occasions is one word or a list of them.
type occasions []deploy.Occasion

// allOccasions are those that can be asked for.
var allOccasions = []string{"begin", "done", "rolled back", "waiting", "failed", "maintenance", "freeze", "shedding", "flag"}

func (v *occasions) read(c cursor) {
	var out occasions
	c.each("an occasion", func(c cursor) {
		s, _, _, ok := c.scalar("an occasion such as done")
		if !ok {
			return
		}
		if !slices.Contains(allOccasions, s) {
			c.fail(c.shown()+" is nothing that is told of", "it can be "+strings.Join(allOccasions, ", "))
			return
		}
		out = append(out, deploy.Occasion(s))
	})
	*v = out
}

// notifications checks that every webhook can be reached with what the
// environment holds, of which errors show nothing.
func (s scope) notifications(set []webhook, env deploy.Environment) []deploy.Webhook {
	_, section := s.find("notify")
	seen := map[string]bool{}
	var out []deploy.Webhook
	for i, w := range set {
		item := section.items[i]
		if item.kind != mapping {
			continue // reported by decode
		}
		got := deploy.Webhook{URL: string(w.URL), URLEnv: string(w.URLEnv), SecretEnv: string(w.SecretEnv), On: w.On}
		fail := func(key string, what, mend string) {
			at := item
			if _, n := item.get(key); n != nil {
				at = n
			}
			s.r.failAt(at.line, at.col, join(s.path, join("notify", key)), what, mend)
		}
		before := len(s.r.errs)
		s.checkWebhook(got, env, fail)
		if len(s.r.errs) > before {
			continue
		}
		if seen[got.Lane()] {
			fail("", got.Name()+" stands here twice", "keep one of them, with all that it is told of under on")
		}
		seen[got.Lane()] = true
		out = append(out, got)
	}
	return out
}

func (s scope) checkWebhook(w deploy.Webhook, env deploy.Environment, fail func(key, what, mend string)) {
	switch {
	case w.URL == "" && w.URLEnv == "":
		fail("", "nobody is named who is told", "give it url_env, the variable that holds the URL, or url")
	case w.URL != "" && w.URLEnv != "":
		fail("url", "url and url_env are given, and there is one URL", "keep one of them")
	case strings.Contains(w.URL, "${"):
		fail("url", "a URL that comes from a variable may be a secret, and url is kept in the journal", "name the variable: url_env: NAME, and give it a value under env")
	case w.URL != "":
		if err := deploy.WebhookURL(w.URL); err != nil {
			fail("url", "this cannot be told: "+err.Error(), "write it like https://chat.example.com/hooks/deploys")
		}
	default:
		value, ok := env[w.URLEnv]
		if !ok {
			fail("url_env", w.URLEnv+" is no variable of this service", "give it a value under env: {"+w.URLEnv+": ${"+w.URLEnv+"}}")
		} else if err := deploy.WebhookURL(value); err != nil {
			fail("url_env", "the value of "+w.URLEnv+" cannot be told: "+err.Error(), "")
		}
	}
	if w.SecretEnv == "" {
		return
	}
	value, ok := env[w.SecretEnv]
	if !ok {
		fail("secret_env", w.SecretEnv+" is no variable of this service", "give it a value under env: {"+w.SecretEnv+": ${"+w.SecretEnv+"}}")
	} else if _, err := deploy.WebhookKey(value); err != nil {
		fail("secret_env", "the value of "+w.SecretEnv+" cannot be used: "+err.Error(), "")
	}
}

// occasionWords are allOccasions for the schema.
func occasionWords() []any {
	var out []any
	for _, word := range allOccasions {
		out = append(out, word)
	}
	return out
}
