package compose

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// A recipe is what a Dockerfile says of how its image runs. The zero value says
// nothing.
type recipe struct {
	name        string // the Dockerfile's, as the compose file would write it
	from        string // the image that the last stage is built on
	entrypoint  instruction
	cmd         instruction
	stopSignal  string
	healthcheck bool
	exposes     bool
}

// file is the Dockerfile's name; of one within the compose file, its key.
func (r recipe) file() string {
	if r.name == "" {
		return "dockerfile_inline"
	}
	return r.name
}

// An instruction that starts a program. Without brackets it is run by a shell.
type instruction struct {
	argv []string
	line int
}

// build is where a Dockerfile is: a context, or that and more.
type build struct {
	Context    text `json:"context"`
	Dockerfile text `json:"dockerfile"`
	Inline     text `json:"dockerfile_inline"`
	Target     text `json:"target"`
	set        bool
}

func (b *build) UnmarshalJSON(data []byte) error {
	type plain build
	if json.Unmarshal(data, (*plain)(b)) != nil {
		_ = b.Context.UnmarshalJSON(data)
	}
	b.set = true
	return nil
}

// maxDockerfile is more than anybody writes by hand.
const maxDockerfile = 1 << 20

// recipe reads the Dockerfile of a service that is built, if it is at hand: what
// the compose file does not say it may.
func (s *Service) recipe() recipe {
	b := s.Build
	if !b.set || s.File.Name == "-" {
		return recipe{}
	}
	if b.Inline != "" {
		return parseDockerfile(string(b.Inline), string(b.Target))
	}
	name := string(b.Dockerfile)
	if name == "" {
		name = "Dockerfile"
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(s.File.Name), string(b.Context), name)
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxDockerfile {
		return recipe{}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return recipe{}
	}
	r := parseDockerfile(string(data), string(b.Target))
	r.name = name
	return r
}

// parseDockerfile reads the stage that is wanted, the last if target is empty,
// with what it inherits from the stages before it.
func parseDockerfile(data, target string) recipe {
	stages := map[string]recipe{}
	var now recipe
	name := ""
	for _, in := range instructions(data) {
		word, rest, _ := strings.Cut(in.text, " ")
		rest = strings.TrimSpace(rest)
		switch strings.ToUpper(word) {
		case "FROM":
			if name != "" && name == target {
				return now
			}
			now, name = stage(rest, stages)
		case "ENTRYPOINT":
			now.entrypoint, now.cmd = instruction{words(rest), in.line}, instruction{}
		case "CMD":
			now.cmd = instruction{words(rest), in.line}
		case "STOPSIGNAL":
			now.stopSignal = lint.Signal(rest)
		case "HEALTHCHECK":
			now.healthcheck = !strings.EqualFold(rest, "NONE")
		case "EXPOSE":
			now.exposes = true
		}
		if name != "" {
			stages[name] = now
		}
	}
	return now
}

// stage begins one: `FROM [--platform=…] IMAGE [AS NAME]`.
func stage(rest string, stages map[string]recipe) (recipe, string) {
	var image, name string
	fields := strings.Fields(rest)
	for i, f := range fields {
		switch {
		case strings.HasPrefix(f, "--"):
		case image == "":
			image = f
		case strings.EqualFold(f, "AS") && i+1 < len(fields):
			name = fields[i+1]
		}
	}
	if earlier, ok := stages[image]; ok {
		return earlier, name
	}
	return recipe{from: image}, name
}

// words are those of an instruction: of a JSON list, or what runs a line of shell.
func words(rest string) []string {
	var list []string
	if json.Unmarshal([]byte(rest), &list) == nil {
		return list
	}
	return []string{"/bin/sh", "-c", rest}
}

type numbered struct {
	text string
	line int
}

// instructions are the lines of a Dockerfile, continued ones joined, without
// comments.
func instructions(data string) []numbered {
	var found []numbered
	open := false
	for i, line := range strings.Split(data, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		text, goesOn := strings.CutSuffix(line, `\`)
		if open {
			found[len(found)-1].text += " " + text
		} else {
			found = append(found, numbered{text, i + 1})
		}
		open = goesOn
	}
	return found
}
