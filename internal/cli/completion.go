package cli

import (
	"fmt"
	"slices"
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
	places := map[string][]string{}
	help := map[string]string{}
	for _, n := range e.app.Model.Children {
		if n.Hidden {
			continue
		}
		names = append(names, n.Name)
		help[n.Name] = n.Help
		flags[n.Name], places[n.Name] = flagsOf(n), placesOf(n)
	}
	places["help"] = append(slices.Clone(names), "exit-codes")
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
	var cases strings.Builder
	for _, n := range names {
		fmt.Fprintf(&cases, "\t%s) words=%q ;;\n", n, strings.Join(slices.Concat(places[n], flags[n], global), " "))
	}
	fmt.Fprintf(e.out, bashFunction, strings.Join(takers(e.app.Model.Node), "|"), strings.Join(append(names, global...), " "), cases.String())
	return nil
}

// bashFunction looks for the command among the words before the cursor. A
// flag's value is none; bash makes three words of --flag=value.
const bashFunction = `_segue() {
	local w words cmd= skip=
	for w in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		if [ "$w" = = ]; then skip=1; continue; fi
		if [ -n "$skip" ]; then skip=; continue; fi
		case "$w" in
		%s) skip=1 ;;
		-*) ;;
		*) cmd=$w; break ;;
		esac
	done
	case "$cmd" in
	"") words=%q ;;
%s	esac
	COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _segue segue
`

// placesOf lists what a command's arguments may be, where that is known.
func placesOf(n *kong.Node) []string {
	var out []string
	for _, p := range n.Positional {
		if p.Enum != "" {
			out = append(out, p.EnumSlice()...)
		}
	}
	return out
}

// takers lists the flags that take a value.
func takers(n *kong.Node) []string {
	var out []string
	for _, f := range n.Flags {
		if f.IsBool() {
			continue
		}
		out = append(out, "--"+f.Name)
		if f.Short != 0 {
			out = append(out, "-"+string(f.Short))
		}
	}
	return out
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
