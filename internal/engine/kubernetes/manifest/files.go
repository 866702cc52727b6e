package manifest

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/deploy"
)

// A File is one of those that `segue render kubernetes --out` writes.
type File struct {
	Path string // slash-separated, relative to the folder of all services
	Data []byte
}

// Mark begins every file, by which they are told from those that somebody else has
// written.
const Mark = "# Written by segue render kubernetes"

const (
	kustomization = "kustomization.yaml"
	hooksFolder   = "hooks"
)

// Files are the service's manifests, one for each kind of object, in a folder of
// its own with a kustomization.yaml. Its hooks are in a folder below, which that
// does not name: they are to be run in their order, and not applied at once.
func Files(spec *deploy.Service, o Options) ([]File, error) {
	objects, err := All(spec, o)
	if err != nil {
		return nil, err
	}
	var files []File
	var names []string
	for _, kind := range kinds(objects) {
		same := slices.DeleteFunc(slices.Clone(objects), func(o Object) bool { return o.Kind() != kind })
		name := strings.ToLower(kind) + ".yaml"
		f, err := file(spec, path.Join(spec.Name, name), same...)
		if err != nil {
			return nil, err
		}
		files, names = append(files, f), append(names, name)
	}
	steps, err := Hooks(spec, o)
	if err != nil {
		return nil, err
	}
	for i, s := range steps {
		f, err := file(spec, path.Join(spec.Name, hooksFolder, fmt.Sprintf("%d-%s-%s.yaml", i+1, s.Stage, s.Job.Name())), s.Job)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return append(files, File{path.Join(spec.Name, kustomization), serviceKustomization(spec, names, len(steps) > 0)}), nil
}

// Index is the kustomization.yaml of all services that have a folder.
func Index(services []string) File {
	return File{kustomization, kustomize("all services of segue.yaml that are rendered here", "", services)}
}

// kinds are those of the objects, in the order of their first.
func kinds(objects []Object) []string {
	var list []string
	for _, o := range objects {
		if !slices.Contains(list, o.Kind()) {
			list = append(list, o.Kind())
		}
	}
	return list
}

func file(spec *deploy.Service, name string, objects ...Object) (File, error) {
	var b bytes.Buffer
	b.WriteString(head(spec.Name))
	if err := YAML(&b, objects); err != nil {
		return File{}, fmt.Errorf("service %s: %w", spec.Name, err)
	}
	return File{name, b.Bytes()}, nil
}

func head(of string) string {
	return Mark + ": " + of + ". It is written anew each time; change segue.yaml,\n# or what comes of it by a Kustomize overlay.\n\n"
}

func serviceKustomization(spec *deploy.Service, resources []string, hooks bool) []byte {
	text := ""
	if k := settings(spec); k.Repository != "" {
		text += fmt.Sprintf("An overlay says which release runs: images: [{name: %s, newTag: …}], or `kustomize edit set image`.\n", k.Repository)
	}
	if hooks {
		text += "Not named here: " + hooksFolder + "/, steps of a deploy that are to be run one after the other. With Argo CD, which has phases, a kustomization may name them.\n"
	}
	return kustomize(spec.Name, text, resources)
}

func kustomize(of, text string, resources []string) []byte {
	var b bytes.Buffer
	b.WriteString(head(of) + commentLines(text))
	b.WriteString("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n")
	for _, r := range resources {
		b.WriteString("- " + r + "\n")
	}
	return b.Bytes()
}
