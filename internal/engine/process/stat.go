package process

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// A stat is what /proc/PID/stat says of a process.
type stat struct {
	pid     int
	state   byte // 'Z' and 'X' have ended
	group   int
	session int
	start   uint64 // clock ticks since boot
	exit    int    // status as wait tells it; 0 unless it has ended and is ours to see
}

func (s stat) ended() bool { return s.state == 'Z' || s.state == 'X' }

func readStat(pid int) (stat, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	return parseStat(b)
}

// parseStat skips the command's name by its last parenthesis, as the name may
// contain anything.
func parseStat(b []byte) (stat, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return stat{}, errors.New("malformed /proc/PID/stat")
	}
	f := bytes.Fields(b[end+1:])
	if len(f) < 20 {
		return stat{}, errors.New("malformed /proc/PID/stat")
	}
	var s stat
	var errs [4]error
	s.pid, errs[0] = strconv.Atoi(string(bytes.TrimSpace(b[:open])))
	s.state = f[0][0]
	s.group, errs[1] = strconv.Atoi(string(f[2]))
	s.session, errs[2] = strconv.Atoi(string(f[3]))
	s.start, errs[3] = strconv.ParseUint(string(f[19]), 10, 64)
	if len(f) > 49 {
		s.exit, _ = strconv.Atoi(string(f[49]))
	}
	return s, errors.Join(errs[:]...)
}

const tickBits = 36 // 21 years of uptime at the kernel's 100 ticks a second

// identity joins a start time with this boot, see Process.Born.
func identity(start uint64) uint64 { return bootMark()<<tickBits | start&(1<<tickBits-1) }

// bootMark is drawn from the boot id, which does not change while we live.
var bootMark = sync.OnceValue(func() uint64 {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return 0 // a masked /proc: then only start times tell processes apart
	}
	sum := sha256.Sum256(id)
	return uint64(binary.BigEndian.Uint16(sum[:]))
})

// scan calls f with every process that is there.
func scan(f func(stat)) error {
	d, err := os.Open("/proc")
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil { // else it has just ended
			f(s)
		}
	}
	return nil
}

// openPidfd opens the process that has both the pid and the birth.
func openPidfd(pid int, born uint64) (int, stat, error) {
	if pid <= 0 {
		return -1, stat{}, fmt.Errorf("pid %d: %w", pid, ErrGone)
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.EINVAL) { // Linux before 5.10 has no such flag
		fd, err = unix.PidfdOpen(pid, 0)
	}
	if errors.Is(err, unix.ESRCH) {
		return -1, stat{}, fmt.Errorf("pid %d: %w", pid, ErrGone)
	}
	if err != nil {
		return -1, stat{}, fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	// Read after opening: if its birth is right now, it was so before.
	s, err := readStat(pid)
	if err != nil || identity(s.start) != born {
		unix.Close(fd)
		return -1, stat{}, fmt.Errorf("pid %d: %w", pid, ErrGone)
	}
	return fd, s, nil
}
