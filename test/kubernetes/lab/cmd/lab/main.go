// Command lab is a real Kubernetes cluster on this machine, for tests: a control
// plane and several nodes, each with a kubelet, a containerd and a network of its
// own, in namespaces that end with one process. It needs root, Linux, and what
// scripts/need installs; it downloads no image and reaches no network outside.
//
//	lab up [N]             brings up N nodes (3), and returns when they are ready
//	lab down               takes all of it down, whatever state it is in
//	lab run [N] -- CMD...  does up, CMD and down, whatever happens meanwhile
//	lab status             what is there
//	lab kubectl ARGS...    kubectl on it
//	lab exec cp|kn1 CMD... a command in the network of the control plane or of a node
//	lab import TAR...      gives an image archive to every node
//	lab add NAME...        an addition from the folder add/
//	lab build              the binaries alone
//	lab binary NAME        prints the file of one, or of an addition, after building it
//
// $LAB names one of several labs that can be there at once; without, it is "default".
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

var errUsage = errors.New("usage: lab up [N] | down | run [N] -- CMD... | status | kubectl ARGS... | exec cp|kn1 CMD... | import TAR... | add NAME... | build | binary NAME")

func main() {
	// What is started here dies with the thread that started it (Pdeathsig).
	runtime.LockOSThread()
	// The inner processes end by being killed: who waits for them must not be
	// ended by a Ctrl-C that the terminal sends to all.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := do(ctx, os.Args[1:])
	var code exitCode
	switch {
	case errors.As(err, &code):
		os.Exit(int(code))
	case err != nil:
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

// exitCode is how a command that was run here ended.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func do(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	switch args[0] {
	case "inner", "cell", "node": // the lab's own processes
		return inside(ctx, args)
	case "run":
		return run(ctx, args[1:])
	}
	l, err := open(os.Getenv("LAB"))
	if err != nil {
		return err
	}
	switch rest := args[1:]; args[0] {
	case "up":
		n, rest, err := nodes(rest)
		if err != nil || len(rest) > 0 {
			return errUsage
		}
		return l.up(ctx, n, false)
	case "down":
		return l.down()
	case "status":
		return l.status(ctx)
	case "kubectl":
		return l.enter("cp", append([]string{l.Hyper(), "kubectl", "--kubeconfig", l.Kubeconfig}, rest...))
	case "exec":
		if len(rest) < 2 {
			return errUsage
		}
		return l.enter(rest[0], rest[1:])
	case "import":
		return l.importImages(ctx, rest)
	case "add":
		return l.add(ctx, rest)
	case "build":
		return build(ctx)
	case "binary":
		if len(rest) != 1 {
			return errUsage
		}
		file, err := binary(ctx, rest[0])
		if err == nil {
			fmt.Println(file)
		}
		return err
	}
	return errUsage
}
