// Command task is what a Job runs: it writes $LINES lines, one each $EVERY, and
// ends with exit code $CODE. A negative $LINES never ends.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	lines, code := number("LINES"), number("CODE")
	every, err := time.ParseDuration(os.Getenv("EVERY"))
	if err != nil {
		every = 10 * time.Millisecond
	}
	for i := 1; lines < 0 || i <= lines; i++ {
		fmt.Printf("line %d\n", i)
		time.Sleep(every)
	}
	os.Exit(code)
}

// number is 0 if nothing is said.
func number(name string) int {
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		return 0
	}
	return n
}
