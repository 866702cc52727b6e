// Package open opens a store by its URL, whichever driver keeps it. It links all
// of them: a program that is to have one only imports that one.
package open

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/memory"
	"github.com/seguehq/segue/store/postgres"
	"github.com/seguehq/segue/store/redis"
	"github.com/seguehq/segue/store/sqlite"
)

// Store opens the store of a URL:
//
//	sqlite:///var/lib/shop/store.db     a file, made if need be, with its folder
//	redis://user:password@host:6379/0   also rediss (TLS), valkey, valkeys and unix
//	postgres://user:password@host/name  also postgresql
//	memory:                             this process's own, and new each time
//
// The drivers' packages tell the parameters. Errors have no password in them.
func Store(ctx context.Context, rawURL string) (store.Store, error) {
	scheme, rest, _ := strings.Cut(rawURL, ":")
	switch scheme {
	case "sqlite":
		return openSQLite(ctx, rawURL)
	case "redis", "rediss", "valkey", "valkeys", "unix":
		return opened(redis.Open(ctx, rawURL))
	case "postgres", "postgresql":
		return opened(postgres.Open(ctx, rawURL))
	case "memory":
		if rest != "" {
			return nil, errors.New("store: the URL of a store in memory is memory: and nothing after it")
		}
		return memory.New(), nil
	}
	return nil, unknown(rawURL, scheme)
}

// opened keeps a driver's nil from becoming a store.
func opened[S store.Store](s S, err error) (store.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

const forms = "sqlite:///path/to/file, redis://host:6379/0, rediss://… (TLS), postgres://host/database, or memory: for this process alone"

// unknown shows no more of the URL than its scheme: the rest may be a password.
func unknown(rawURL, scheme string) error {
	switch {
	case rawURL == "":
		return errors.New("store: the URL is empty; it is " + forms)
	case strings.HasPrefix(rawURL, "/"):
		return fmt.Errorf("store: %s is a path; the URL of that file is sqlite://%s", rawURL, rawURL)
	case scheme == rawURL:
		return errors.New("store: the URL has no scheme; it is " + forms)
	}
	return fmt.Errorf("store: no store has URLs that begin with %s:; they are %s", scheme, forms)
}

func openSQLite(ctx context.Context, rawURL string) (store.Store, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("store: %w; it looks like sqlite:///path/to/file", err)
	}
	switch {
	case u.Host != "" || u.Opaque != "" || !filepath.IsAbs(u.Path):
		return nil, fmt.Errorf("store: %s has no absolute path; write sqlite:///path/to/file, with three slashes: instances that run in different folders are to find the same file", rawURL)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("store: %s has parameters; a SQLite store has none, and a ? or # in the path is written %%3F or %%23", rawURL)
	}
	return openFile(ctx, u.Path)
}

// openFile makes the folder too, for this user alone.
func openFile(ctx context.Context, path string) (store.Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("store: make the folder of %s: %w; name another file by SEGUE_STORE=sqlite:///path/to/file", path, err)
	}
	return opened(sqlite.Open(ctx, path))
}
