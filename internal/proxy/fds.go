package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
)

// listenEnv names the environment variable with the keys of the inherited
// listeners, a JSON array of strings.
const listenEnv = "SEGUE_PROXY_LISTEN"

const (
	controlFD   = 3
	firstListen = 4
)

// Environ gives the environment that a proxy process must be started with,
// beside whatever else it shall have: descriptor 3 is its control socket, and
// from 4 on stand the listeners, in the order of keys.
func Environ(keys []string) []string {
	b, _ := json.Marshal(keys) // strings always can be
	return []string{listenEnv + "=" + string(b)}
}

// Inherit gives the Options that [Environ] and the inherited descriptors say.
// It is to be called once, at the start of the process.
func Inherit() (Options, error) {
	var keys []string
	v, ok := os.LookupEnv(listenEnv)
	if !ok {
		return Options{}, fmt.Errorf("%s is not set: the proxy is started by the agent, not by hand", listenEnv)
	}
	if err := json.Unmarshal([]byte(v), &keys); err != nil {
		return Options{}, fmt.Errorf("%s=%s: %w", listenEnv, v, err)
	}
	os.Unsetenv(listenEnv)
	o := Options{Listeners: map[string]*os.File{}}
	f, err := inherited(controlFD, "control")
	if err != nil {
		return Options{}, err
	}
	o.Control = f
	for i, key := range keys {
		if o.Listeners[key], err = inherited(firstListen+i, key); err != nil {
			return Options{}, err
		}
	}
	return o, nil
}

func inherited(fd int, name string) (*os.File, error) {
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0); errno != 0 {
		return nil, fmt.Errorf("descriptor %d (%s) was not inherited: %w", fd, name, errno)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), name), nil
}

// mostFDs is how many descriptors go into one message; Linux takes 253.
const mostFDs = 200

// sendFiles sends named descriptors: messages of up to mostFDs, each with its
// names as a JSON array ending in a newline; an empty array is the end.
func sendFiles(c *net.UnixConn, files map[string]*os.File) error {
	keys := sortedKeys(files)
	for {
		n := min(len(keys), mostFDs)
		if err := sendSome(c, keys[:n], files); err != nil || n == 0 {
			return err
		}
		keys = keys[n:]
	}
}

func sendSome(c *net.UnixConn, keys []string, files map[string]*os.File) error {
	names, err := json.Marshal(append([]string{}, keys...))
	if err != nil {
		return err
	}
	fds := make([]int, len(keys))
	for i, k := range keys {
		raw, err := files[k].SyscallConn()
		if err != nil {
			return err
		}
		// Not Fd: it would make the socket block, for every process that holds it.
		if err := raw.Control(func(fd uintptr) { fds[i] = int(fd) }); err != nil {
			return err
		}
	}
	var oob []byte
	if len(fds) > 0 {
		oob = syscall.UnixRights(fds...)
	}
	msg := append(names, '\n')
	n, _, err := c.WriteMsgUnix(msg, oob, nil)
	if err == nil && n < len(msg) {
		_, err = c.Write(msg[n:])
	}
	return err
}

// receiveFiles is the counterpart of sendFiles. After an error the caller
// gets no files; those received are closed.
func receiveFiles(c *net.UnixConn) (files map[string]*os.File, err error) {
	files = map[string]*os.File{}
	var fds []int
	defer func() {
		for _, fd := range fds {
			syscall.Close(fd)
		}
		if err != nil {
			for _, f := range files {
				f.Close()
			}
			files = nil
		}
	}()
	var text []byte
	buf, oob := make([]byte, 64<<10), make([]byte, syscall.CmsgSpace(4*256))
	for {
		n, m, flags, _, err := c.ReadMsgUnix(buf, oob)
		if err != nil {
			return files, err
		}
		if n == 0 {
			return files, errors.New("connection ended before the last descriptor")
		}
		more, err := parseRights(oob[:m])
		fds = append(fds, more...)
		if err != nil {
			return files, err
		}
		if flags&syscall.MSG_CTRUNC != 0 {
			return files, errors.New("descriptors were lost on the way: is the limit of open files reached?")
		}
		text = append(text, buf[:n]...)
		for {
			line, rest, ok := strings.Cut(string(text), "\n")
			if !ok {
				break
			}
			text = []byte(rest)
			var names []string
			if err := json.Unmarshal([]byte(line), &names); err != nil {
				return files, fmt.Errorf("names of descriptors: %w", err)
			}
			if len(names) == 0 {
				return files, nil
			}
			if len(names) > len(fds) {
				return files, fmt.Errorf("%d names came with %d descriptors", len(names), len(fds))
			}
			for i, name := range names {
				if old := files[name]; old != nil {
					old.Close()
				}
				files[name] = os.NewFile(uintptr(fds[i]), name)
			}
			fds = fds[len(names):]
		}
	}
}

func parseRights(oob []byte) (fds []int, err error) {
	msgs, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range msgs {
		more, err := syscall.ParseUnixRights(&msgs[i])
		if err != nil {
			return fds, err
		}
		for _, fd := range more {
			syscall.CloseOnExec(fd)
		}
		fds = append(fds, more...)
	}
	return fds, nil
}
