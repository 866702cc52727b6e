package lint

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Loaded is what was found in a file.
type Loaded struct {
	Objects  []*Object
	Skipped  int // documents of no kind that is known
	Problems []*Problem
}

// Load finds the objects in a file.
func Load(f *File) Loaded { return loadAll([]*File{f})[0] }

// loadAll loads files side by side, and large ones document by document.
func loadAll(files []*File) []Loaded {
	found := make([]Loaded, len(files))
	parts := make([][]Loaded, len(files))
	work := make(chan func())
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for do := range work {
				do()
			}
		})
	}
	for i, f := range files {
		cuts, problem := cut(f)
		if problem != nil {
			parts[i] = []Loaded{{Problems: []*Problem{problem}}}
			continue
		}
		parts[i] = make([]Loaded, len(cuts))
		for j, c := range cuts {
			work <- func() { parts[i][j] = c.load(f) }
		}
	}
	close(work)
	workers.Wait()
	for i := range files {
		found[i] = join(files[i], parts[i])
	}
	return found
}

// join puts the parts of a file together, and numbers its documents.
func join(f *File, parts []Loaded) Loaded {
	var all Loaded
	for i, p := range parts {
		for _, o := range p.Objects {
			o.part = i
		}
		for _, problem := range p.Problems {
			problem.At.File = f
		}
		all.Objects = append(all.Objects, p.Objects...)
		all.Skipped += p.Skipped
		all.Problems = append(all.Problems, p.Problems...)
	}
	return all
}

// A part of a file that is loaded by itself.
type part interface {
	load(f *File) Loaded
	line() int // its first
}

// cut is the parts of a file. Their number and order hold while a fix is
// applied, so that an object is found again.
func cut(f *File) ([]part, *Problem) {
	if problem := checkText(f); problem != nil {
		return nil, problem
	}
	var parts []part
	if isUnit(f) {
		return units(f), nil
	}
	for _, c := range chunks(f) {
		parts = append(parts, c)
	}
	return parts, nil
}

func checkText(f *File) *Problem {
	at := Place{Line: 1, Column: 1}
	if len(f.Data) > maxFile {
		return &Problem{At: at, What: fmt.Sprintf("the file is larger than %d MiB", maxFile>>20), Mend: "is this the right file?"}
	}
	if utf8.Valid(f.Data) {
		return nil
	}
	for n := 1; n <= f.Lines(); n++ {
		if !utf8.Valid(f.bytes(n)) {
			at.Line = n
			break
		}
	}
	return &Problem{At: at, What: "this is not UTF-8 text", Mend: "save the file as UTF-8"}
}

// crd are the definitions that come with operators: large, and nothing in them
// is replaced.
var crd = Pattern(`(?m)^kind: CustomResourceDefinition\s*$`)

func (c chunk) line() int { return c.first }

func (c chunk) load(f *File) Loaded {
	if at := bytes.Index(c.data, []byte("CustomResourceDefinition")); at >= 0 && crd().Match(c.data) {
		o := &Object{File: f, Kind: Kubernetes, Name: "CustomResourceDefinition", Node: &yaml.Node{Kind: yaml.MappingNode, Line: c.first, Column: 1}, first: c.first, last: c.first}
		return Loaded{Objects: []*Object{o}}
	}
	var found Loaded
	roots, problem := documents(c)
	if problem != nil {
		found.Problems = append(found.Problems, asTemplate(c, problem))
	}
	for i, root := range roots {
		if problem := findTemplate(c, root); problem != nil {
			found.Problems = append(found.Problems, problem)
			continue
		}
		objects, known := documentObjects(f, resolve(root))
		if !known && !isNothing(root) {
			found.Skipped++
		}
		for _, o := range objects {
			o.doc = i
		}
		found.Objects = append(found.Objects, objects...)
	}
	return found
}

// documentObjects are the objects of one YAML document, if its kind is known.
func documentObjects(f *File, root *yaml.Node) (objects []*Object, known bool) {
	if !isMapping(root) {
		return nil, false
	}
	o := &Object{File: f, Node: root, root: root, first: root.Line, last: lastLine(root)}
	kind, version := o.Text("kind"), o.Text("apiVersion")
	switch {
	case kind != "" && version != "" && strings.HasSuffix(kind, "List") && o.Find("items") != nil:
		return listItems(o), true
	case kind != "" && version != "":
		o.Kind, o.Name = Kubernetes, kubernetesName(o)
	case isMapping(o.Find("services")):
		o.Kind, o.Name = Compose, "compose file"
	default:
		return nil, false
	}
	return []*Object{o}, true
}

func listItems(list *Object) []*Object {
	objects := []*Object{}
	for i := range list.Find("items").Content {
		item := list.Part("", "items", i)
		if item == nil || !isMapping(item.Node) {
			continue
		}
		item.Kind, item.Name = Kubernetes, kubernetesName(item)
		objects = append(objects, item)
	}
	return objects
}

func kubernetesName(o *Object) string {
	name := o.Text("metadata", "name")
	if name == "" {
		name = o.Text("metadata", "generateName")
	}
	if ns := o.Text("metadata", "namespace"); ns != "" {
		name = ns + "/" + name
	}
	return strings.TrimSpace(o.Text("kind") + " " + name)
}
