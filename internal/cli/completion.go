package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (c *completionCmd) Help() string {
	return `Examples:
  source <(segue completion bash)
  segue completion zsh > "${fpath[1]}/_segue"
  segue completion fish > ~/.config/fish/completions/segue.fish`
}

func (c *completionCmd) Run(e *env) error {
	var names []string
	flags := map[string][]string{}
	help := map[string]string{}
	for _, n := range e.app.Model.Children {
		if n.Hidden {
			continue
		}
		names = append(names, n.Name)
		help[n.Name] = n.Help
		flags[n.Name] = flagsOf(n)
	}
	global := flagsOf(e.app.Model.Node)
	switch c.Shell {
	case "fish":
		for _, n := range names {
			fmt.Fprintf(e.out, "complete -c segue -f -n __fish_use_subcommand -a %s -d %q\n", n, help[n])
			for _, f := range append(flags[n], global...) {
				fmt.Fprintf(e.out, "complete -c segue -n '__fish_seen_subcommand_from %s' -l %s\n", n, strings.TrimPrefix(f, "--"))
			}
		}
		return nil
	case "zsh":
		fmt.Fprint(e.out, "#compdef segue\nautoload -U +X bashcompinit && bashcompinit\n")
	}
	fmt.Fprintf(e.out, "_segue() {\n\tlocal words\n\tcase \"${COMP_WORDS[1]}\" in\n")
	for _, n := range names {
		fmt.Fprintf(e.out, "\t%s) words=%q ;;\n", n, strings.Join(append(flags[n], global...), " "))
	}
	fmt.Fprintf(e.out, "\tesac\n\tif [ \"$COMP_CWORD\" = 1 ]; then words=%q; fi\n", strings.Join(names, " "))
	fmt.Fprint(e.out, "\tCOMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -o default -F _segue segue\n")
	return nil
}

func flagsOf(n *kong.Node) []string {
	var out []string
	for _, f := range n.Flags {
		if !f.Hidden {
			out = append(out, "--"+f.Name)
		}
	}
	return out
}
