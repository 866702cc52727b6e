package lint

import (
	"path/filepath"
	"strings"
)

// beside are the files that belong to one that was named: without them a unit or
// a compose file is not what runs. systemd reads a unit's drop-ins, and its
// socket may hold its port; compose reads the override file of compose.yaml.
func beside(path string) []string {
	var found []string
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	switch name := filepath.Base(path); {
	case strings.HasSuffix(name, ".service"):
		found = append(glob(path+".d/*.conf"), glob(stem+".socket")...)
	case strings.HasSuffix(name, ".socket"):
		found = glob(path + ".d/*.conf")
	case filepath.Base(stem) == "compose" || filepath.Base(stem) == "docker-compose":
		found = append(glob(stem+".override.yaml"), glob(stem+".override.yml")...)
	}
	return found
}

// glob is nothing for a path that is no pattern.
func glob(pattern string) []string {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil
	}
	return found
}
