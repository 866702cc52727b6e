package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/ecs"
)

type renderECSCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"Only these services of the file."`
	Out      string   `placeholder:"DIR" type:"path" help:"Write a file for each command of the AWS CLI into this folder, and print the commands."`
	Image    string   `placeholder:"REF" help:"The image of the release, in place of what segue.yaml says. For one service."`
}

func (c *renderECSCmd) Help() string {
	return `Examples:
  segue render ecs                  # all in one JSON document
  segue render ecs --out aws        # files for the AWS CLI, and how it takes them
  segue render ecs | jq '.shop["task-definition"]'

Without names: the services with engine: ecs, or all if there are none. No secret is written.
What ECS does otherwise than one machine, and what is left to be done, is told on stderr.`
}

func (c *renderECSCmd) Run(e *env) error {
	f, err := e.load()
	if err != nil {
		return err
	}
	services, err := c.chosen(f)
	if err != nil {
		return err
	}
	if c.Out != "" {
		if err := os.MkdirAll(c.Out, 0o755); err != nil {
			return err
		}
	}
	all := map[string]map[string]json.RawMessage{}
	for _, s := range services {
		where{engine: deploy.EngineECS}.settle(&s)
		o := ecsOrder(s)
		if c.Image != "" {
			o.Image, o.Argv = c.Image, nil
		}
		r, err := ecs.Render(&o.Spec, ecs.Options{Image: o.Image, Argv: o.Argv, Env: o.Env})
		if err != nil {
			return refusedByECS(e, s.Name, err)
		}
		for _, n := range r.Notes {
			fmt.Fprintf(e.err, "%s: %s\n", s.Name, n)
		}
		files, err := r.Files(&o.Spec)
		if err != nil {
			return err
		}
		if all[s.Name], err = c.write(e, files); err != nil {
			return err
		}
	}
	if c.Out != "" {
		return nil
	}
	enc := json.NewEncoder(e.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(all)
}

func (c *renderECSCmd) chosen(f *config.File) ([]config.Service, error) {
	services, err := chosen(f, c.Services)
	if err != nil {
		return nil, err
	}
	theirs := slices.DeleteFunc(slices.Clone(services), func(s config.Service) bool { return s.Engine != deploy.EngineECS })
	if len(c.Services) == 0 && len(theirs) > 0 {
		services = theirs
	}
	if c.Image != "" && len(services) > 1 {
		return nil, &exitError{exitUsage, "--image is of one service; name it"}
	}
	return services, nil
}

// write writes the files to the folder, if there is one, and gives them by what
// they are.
func (c *renderECSCmd) write(e *env, files []ecs.File) (map[string]json.RawMessage, error) {
	byKind := map[string]json.RawMessage{}
	for _, f := range files {
		byKind[f.Kind] = f.Data
		if c.Out == "" {
			continue
		}
		path := filepath.Join(c.Out, f.Name)
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			return nil, err
		}
		fmt.Fprintf(e.out, "%s --cli-input-json file://%s\n", f.Command, path)
	}
	return byKind, nil
}
