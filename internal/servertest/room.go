package servertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// newDir makes a server's folder.
func newDir(name string) (string, error) {
	top, err := top()
	if err != nil {
		return "", fmt.Errorf("servertest: %w", err)
	}
	dir, err := os.MkdirTemp(top, name)
	if err != nil {
		return "", fmt.Errorf("servertest: %w", err)
	}
	return dir, nil
}

// top is the folder of this test binary's servers. No code of ours runs when the
// binary ends or is killed; a shell waits for that, at a pipe which ends with us,
// and removes the folder after the servers have died.
var top = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "segue-servertest")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL's user has to get through
		return "", err
	}
	var pipe [2]int // its writing end is no os.File, which would be closed when it is no longer referred to
	if err := syscall.Pipe2(pipe[:], syscall.O_CLOEXEC); err != nil {
		return "", err
	}
	theirs := os.NewFile(uintptr(pipe[0]), "pipe")
	defer theirs.Close()
	keeper := exec.Command("sh", "-c", `read _; n=0; until rm -rf "$1" || [ $((n += 1)) = 100 ]; do sleep 0.1; done 2>/dev/null`, "sh", dir)
	keeper.Stdin = theirs
	keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us
	return dir, keeper.Start()
})

// reservePort finds a loopback port on which nobody listens, and keeps other
// tests of this machine from it until free is called. It is below the ephemeral
// range, so that no outgoing connection takes it while the server is down.
func reservePort() (port int, free func(), err error) {
	for range 100 {
		port := 10000 + rand.IntN(9000)
		mine, err := net.Listen("unix", fmt.Sprint("@segue-test-port-", port)) // an abstract name: gone with the process
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			return port, func() { mine.Close() }, l.Close()
		}
		mine.Close()
	}
	return 0, nil, errors.New("servertest: no free port between 10000 and 19000")
}

// taken reports whether somebody listens on a port.
func taken(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
	if err == nil {
		l.Close()
	}
	return err != nil
}

// find finds a server's program, also where Debian keeps it from the PATH.
func find(program, debian, mend string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	found, err := filepath.Glob(filepath.Join(debian, program))
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("servertest: there is no %s on this machine; %s", program, mend)
	}
	return found[len(found)-1], nil
}
