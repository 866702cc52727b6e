package open

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/seguehq/segue/store"
)

// Default opens the store of $SEGUE_STORE, a URL as [Store] takes it. If that is
// not set it opens a SQLite file that all instances of this service on this
// machine share, if the same user runs them:
//
//	$STATE_DIRECTORY/segue/NAME.db            in a systemd unit that has StateDirectory=
//	$XDG_STATE_HOME/segue/store/NAME.db       if that is set
//	$HOME/.local/state/segue/store/NAME.db    otherwise
//
// NAME is $SEGUE_SERVICE, or else the name of the program's file. Two services of
// one user whose programs have the same name share a store that way: set
// SEGUE_SERVICE or SEGUE_STORE.
func Default(ctx context.Context) (store.Store, error) {
	if u := os.Getenv("SEGUE_STORE"); u != "" {
		s, err := Store(ctx, u)
		if err != nil {
			return nil, fmt.Errorf("SEGUE_STORE: %w", err)
		}
		return s, nil
	}
	path, err := defaultPath(os.Getenv, os.Args[0])
	if err != nil {
		return nil, err
	}
	return openFile(ctx, path)
}

var names = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)

// defaultPath is the file of a service, by its environment and its program.
func defaultPath(env func(string) string, program string) (string, error) {
	name := cmp.Or(env("SEGUE_SERVICE"), filepath.Base(program))
	if !names.MatchString(name) {
		return "", fmt.Errorf("store: service %q gives no name for its file; set SEGUE_SERVICE to one of letters, digits and . _ -, or SEGUE_STORE to a URL", name)
	}
	folder, err := stateFolder(env)
	return filepath.Join(folder, name+".db"), err
}

func stateFolder(env func(string) string) (string, error) {
	if dirs, _, _ := strings.Cut(env("STATE_DIRECTORY"), ":"); filepath.IsAbs(dirs) {
		return filepath.Join(dirs, "segue"), nil
	}
	if dir := env("XDG_STATE_HOME"); filepath.IsAbs(dir) { // one that is relative is to be ignored (XDG Base Directory)
		return filepath.Join(dir, "segue", "store"), nil
	}
	if home := env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "segue", "store"), nil
	}
	return "", errors.New("store: neither SEGUE_STORE nor HOME is set; set SEGUE_STORE to the URL of a store, such as sqlite:///var/lib/NAME/store.db")
}
