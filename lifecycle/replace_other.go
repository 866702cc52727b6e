//go:build !unix

package lifecycle

import "os"

// replaceSignals are none here.
var replaceSignals []os.Signal

func isReplace(os.Signal) bool { return false }

func passed(fd uintptr, name string) *os.File { return os.NewFile(fd, name) }

type succession struct{ ready chan int }

func newSuccession(*running) *succession { return &succession{} }

func (*succession) begin()   {}
func (*succession) abandon() {}
func (*succession) close()   {}
