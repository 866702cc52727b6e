package cli

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/open"
)

// storeFlags say in which store to look for what services keep there.
type storeFlags struct {
	Service   string `short:"s" help:"Only what this service keeps. Default: all services of segue.yaml, or of the agent." placeholder:"NAME"`
	StoreFrom string `name:"store-from" help:"The variable that holds the store's URL. Default: what segue.yaml says of each service, or SEGUE_STORE." placeholder:"NAME"`
}

// A storePlace is a store, and the services whose it is.
type storePlace struct {
	services []string
	url      string // secret
}

func (p storePlace) name() string { return strings.Join(p.services, ", ") }

// A storeIn is one that is open.
type storeIn struct {
	storePlace
	store.Store
}

// storeVariable is what the packages read, and the agent sets.
const storeVariable = "SEGUE_STORE"

// open opens the stores that are there. Those that nobody has used yet are left
// out.
func (f *storeFlags) open(e *env) (all []storeIn, done func(), err error) {
	done = func() {
		for _, s := range all {
			_ = s.Close()
		}
	}
	places, err := f.places(e)
	if err != nil {
		return nil, done, err
	}
	for _, p := range places {
		if p.unused() {
			continue
		}
		s, err := p.open(e)
		if err != nil {
			done()
			return nil, func() {}, err
		}
		all = append(all, s)
	}
	return all, done, nil
}

func (p storePlace) open(e *env) (storeIn, error) {
	s, err := open.Store(e, p.url)
	if err != nil {
		return storeIn{}, fmt.Errorf("the store of %s: %w", p.name(), err)
	}
	return storeIn{p, s}, nil
}

// unused tells of a file that is not there: looking for something is no reason to
// make it.
func (p storePlace) unused() bool {
	u, err := url.Parse(p.url)
	return err == nil && u.Scheme == "sqlite" && !exists(u.Path)
}

// places finds the stores: that of --store-from, those of the services in
// segue.yaml, that of $SEGUE_STORE, or the agent's files.
func (f *storeFlags) places(e *env) ([]storePlace, error) {
	if f.StoreFrom != "" {
		u := os.Getenv(f.StoreFrom)
		if u == "" {
			return nil, &exitError{exitUsage, fmt.Sprintf("--store-from: the variable %s is not set, which is to hold the store's URL, such as redis://host:6379", f.StoreFrom)}
		}
		return []storePlace{{[]string{f.StoreFrom}, u}}, nil
	}
	if exists(e.flags.File) {
		return f.inFile(e)
	}
	if u := os.Getenv(storeVariable); u != "" && f.Service == "" {
		return []storePlace{{[]string{"$" + storeVariable}, u}}, nil
	}
	return f.ofAgent(e)
}

// inFile gives the stores of segue.yaml's services.
func (f *storeFlags) inFile(e *env) ([]storePlace, error) {
	file, err := e.load()
	if err != nil {
		return nil, err
	}
	var all []storePlace
	for _, s := range file.Services {
		if f.Service == "" || f.Service == s.Name {
			all = addPlace(all, s.Name, storeURL(e, s))
		}
	}
	if len(all) == 0 {
		return nil, &exitError{exitUsage, fmt.Sprintf("%s has no service %q", e.flags.File, f.Service)}
	}
	return all, nil
}

// storeURL is where a service's instances have their store.
func storeURL(e *env, s config.Service) string {
	if u := s.Env[storeVariable]; u != "" {
		return u
	}
	return storeFile(filepath.Join(e.state(), "stores", s.StoreName()+".db"))
}

func storeFile(path string) string {
	return (&url.URL{Scheme: "sqlite", Path: path}).String()
}

func addPlace(all []storePlace, service, url string) []storePlace {
	i := slices.IndexFunc(all, func(p storePlace) bool { return p.url == url })
	if i < 0 {
		return append(all, storePlace{[]string{service}, url})
	}
	all[i].services = append(all[i].services, service)
	return all
}

// ofAgent gives the files that the agent keeps, where there is no segue.yaml.
func (f *storeFlags) ofAgent(e *env) ([]storePlace, error) {
	folder := filepath.Join(e.state(), "stores")
	files, err := filepath.Glob(filepath.Join(folder, "*.db"))
	if err != nil {
		return nil, err
	}
	var all []storePlace
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".db"); f.Service == "" || f.Service == name {
			all = append(all, storePlace{[]string{name}, storeFile(file)})
		}
	}
	if len(all) == 0 {
		return nil, &exitError{exitUsage, fmt.Sprintf("which store? There is no %s here, %s is not set, and the agent keeps none in %s; go to the folder of segue.yaml, or name a variable that holds the store's URL: --store-from NAME",
			filepath.Base(e.flags.File), storeVariable, folder)}
	}
	return all, nil
}

// find does something in the one store that has what is asked for. has says
// whether it does; what names it, with its mend.
func (f *storeFlags) find(e *env, has func(context.Context, store.Store) (bool, error), none, several string, do func(storeIn) error) error {
	all, done, err := f.open(e)
	if err != nil {
		return err
	}
	defer done()
	var found []storeIn
	for _, s := range all {
		ok, err := has(e, s.Store)
		if err != nil {
			return fmt.Errorf("the store of %s: %w", s.name(), err)
		}
		if ok {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 1:
		return do(found[0])
	case 0:
		return &exitError{exitUsage, none}
	}
	return &exitError{exitUsage, fmt.Sprintf("%s; name one: --service %s", several, found[0].services[0])}
}
