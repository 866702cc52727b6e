package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/kubernetes/manifest"
)

type renderKubernetesCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"Only these services of the file."`

	Out   string `placeholder:"DIR" type:"path" help:"Write a folder for each service, with a file for each kind of object and a kustomization.yaml, into this one."`
	Force bool   `help:"With --out: overwrite also what segue has not written."`
	Image string `placeholder:"REF" help:"The image of the release, where segue.yaml names a repository. For one service."`
}

func (c *renderKubernetesCmd) Help() string {
	return `Examples:
  segue render kubernetes | kubectl apply --server-side --field-manager segue -f -
  segue render kubernetes shop --image registry.example.com/shop:1.5 --out deploy/base
  segue render kubernetes | segue lint -

Without names: the services with engine: kubernetes, or all if there are none. No secret is
written: the environment is taken from a Secret, and a comment says how to make it. Hooks are
steps of a deploy, which ` + "`segue deploy`" + ` runs; --out writes them as Jobs into a folder of their own.
What is otherwise in a cluster than on one machine is told on stderr. docs/kubernetes-manifests.md
explains the rest.`
}

func (c *renderKubernetesCmd) Run(e *env) error {
	f, err := e.load()
	if err != nil {
		return err
	}
	services, err := c.chosen(f)
	if err != nil {
		return err
	}
	for i := range services {
		if err := migrationsNow(&services[i]); err != nil {
			return err
		}
	}
	for _, s := range services {
		for _, note := range c.notes(&s.Service) {
			fmt.Fprintf(e.err, "note: %s: %s\n", s.Name, note)
		}
	}
	if c.Out != "" {
		return c.write(e, f, services)
	}
	var objects []manifest.Object
	for _, s := range services {
		more, err := manifest.All(&s.Service, manifest.Rendered(&s.Service, c.Image))
		if err != nil {
			return err
		}
		objects = append(objects, more...)
	}
	if e.flags.JSON {
		return printList(e, objects)
	}
	return manifest.YAML(e.out, objects)
}

// notes are what is to be known of a service that is rendered.
func (c *renderKubernetesCmd) notes(s *deploy.Service) []string {
	notes := manifest.Notes(s)
	if k := s.Kubernetes; c.Image == "" && k != nil && k.Repository != "" {
		notes = append(notes, fmt.Sprintf("the image has the tag %q, which stands for the release to run; say which by --image, or by images: in kustomization.yaml", manifest.UnknownTag))
	}
	if m := s.Migrate; m != nil && m.Views != "" {
		notes = append(notes, fmt.Sprintf("its release finds its tables in the schema %s, which SEGUE_SCHEMA tells the program: a program that does not read it needs the schema in the Secret's %s", m.Views, m.URL))
	}
	if s.Migrate != nil && c.Out == "" {
		notes = append(notes, "its migrations are not written here: they are steps of a deploy, and --out writes them as Jobs into a folder of their own")
	}
	if hooks := len(s.Hooks.Before) + len(s.Hooks.Between) + len(s.Hooks.After) + len(s.Prepare); hooks > 0 && c.Out == "" {
		notes = append(notes, "its hooks are not written here: they are steps of a deploy, and --out writes them as Jobs into a folder of their own")
	}
	return notes
}

// chosen are the services to render.
func (c *renderKubernetesCmd) chosen(f *config.File) ([]config.Service, error) {
	services, err := chosen(f, c.Services)
	if err != nil {
		return nil, err
	}
	theirs := slices.DeleteFunc(slices.Clone(services), func(s config.Service) bool { return s.Engine != deploy.EngineKubernetes })
	if len(c.Services) == 0 && len(theirs) > 0 {
		services = theirs
	}
	switch {
	case c.Image != "" && len(services) > 1:
		return nil, &exitError{exitUsage, "--image is of one service; name it"}
	case c.Force && c.Out == "":
		return nil, &exitError{exitUsage, "--force is about files, and without --out none is written"}
	}
	return services, nil
}

// printList prints a List, which kubectl takes too.
func printList(e *env, objects []manifest.Object) error {
	list := []map[string]any{}
	for _, o := range objects {
		fields, err := o.Fields()
		if err != nil {
			return err
		}
		list = append(list, fields)
	}
	return e.print(map[string]any{"apiVersion": "v1", "kind": "List", "items": list}, func(io.Writer) {})
}

// write puts the files into --out, and takes out those of the same services that
// are written no more. Before the first it is certain that all may be written.
func (c *renderKubernetesCmd) write(e *env, f *config.File, services []config.Service) error {
	if e.flags.JSON {
		return &exitError{exitUsage, "--json prints one list, and --out writes YAML; choose one"}
	}
	var files []manifest.File
	for _, s := range services {
		more, err := manifest.Files(&s.Service, manifest.Rendered(&s.Service, c.Image))
		if err != nil {
			return err
		}
		files = append(files, more...)
	}
	files = append(files, manifest.Index(c.folders(f, services)))
	if err := c.mayWrite(files); err != nil {
		return err
	}
	old, err := c.leftovers(services, files)
	if err != nil {
		return err
	}
	for _, file := range files {
		changed, err := writeManifest(filepath.Join(c.Out, filepath.FromSlash(file.Path)), file.Data)
		if err != nil {
			return err
		}
		if changed {
			fmt.Fprintln(e.out, "wrote", filepath.Join(c.Out, filepath.FromSlash(file.Path)))
		}
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err
		}
		fmt.Fprintln(e.out, "removed", path)
	}
	return nil
}

// folders are the services of the file that have one in --out, in the file's order:
// those that are written now, and those that were before.
func (c *renderKubernetesCmd) folders(f *config.File, now []config.Service) []string {
	var names []string
	for _, s := range f.Services {
		_, err := os.Stat(filepath.Join(c.Out, s.Name, "kustomization.yaml"))
		if err == nil || slices.ContainsFunc(now, func(n config.Service) bool { return n.Name == s.Name }) {
			names = append(names, s.Name)
		}
	}
	return names
}

// mayWrite refuses to overwrite what is not segue's.
func (c *renderKubernetesCmd) mayWrite(files []manifest.File) error {
	var others []string
	for _, file := range files {
		path := filepath.Join(c.Out, filepath.FromSlash(file.Path))
		ours, err := isOurs(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil && !ours {
			others = append(others, path)
		}
	}
	if len(others) == 0 || c.Force {
		return nil
	}
	return fmt.Errorf("not written by segue, and left alone: %s; nothing was written. Choose another folder, or use --force", strings.Join(others, ", "))
}

func isOurs(path string) (bool, error) {
	data, err := os.ReadFile(path)
	return bytes.HasPrefix(data, []byte(manifest.Mark)), err
}

// leftovers are files that segue has written for these services, and would not now:
// of an autoscaler that is no longer wanted, for one.
func (c *renderKubernetesCmd) leftovers(services []config.Service, files []manifest.File) ([]string, error) {
	var old []string
	for _, s := range services {
		for _, pattern := range []string{"*.yaml", "hooks/*.yaml"} {
			found, err := filepath.Glob(filepath.Join(c.Out, s.Name, filepath.FromSlash(pattern)))
			if err != nil {
				return nil, err
			}
			for _, path := range found {
				if slices.ContainsFunc(files, func(f manifest.File) bool { return filepath.Join(c.Out, filepath.FromSlash(f.Path)) == path }) {
					continue
				}
				ours, err := isOurs(path)
				if err != nil {
					return nil, err
				}
				if ours {
					old = append(old, path)
				}
			}
		}
	}
	return old, nil
}

// writeManifest puts a file in place at once, if it is another than what is there.
func writeManifest(path string, data []byte) (changed bool, err error) {
	if is, err := os.ReadFile(path); err == nil && bytes.Equal(is, data) {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, err
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return false, err
	}
	return true, os.Rename(tmp, path)
}
