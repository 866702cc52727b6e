package featureflag_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
)

// instancesEnv makes the test binary a process with instances of a service in it.
const instancesEnv = "SEGUE_FLAG_TEST_INSTANCES"

func TestMain(m *testing.M) {
	if url := os.Getenv(instancesEnv); url != "" {
		if err := instances(url); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// perProcess is how many instances a process has. Each has a store of its own; on
// PostgreSQL five share one, as a store takes two connections, which are processes of the server.
const perProcess = 25

// instances says "I is true" or "I is false" each time that the flag f changes for instance I,
// until stdin ends.
func instances(url string) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); stop() }()
	var wg sync.WaitGroup
	defer wg.Wait()
	var s store.Store
	for i := range perProcess {
		if i%5 == 0 || !strings.HasPrefix(url, "postgres") {
			var err error
			if s, err = servertest.Open(ctx, url); err != nil {
				stop()
				return err
			}
		}
		f := featureflag.New(s, quiet)
		wg.Go(func() { _ = f.Run(ctx) })
		wg.Go(func() {
			for said := ""; ; {
				changed := f.Changed()
				if line := fmt.Sprintln(i, f.Bool("f", featureflag.For("u"), false)); line != said {
					said = line
					fmt.Print(line) // one write
				}
				select {
				case <-changed:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return nil
}

// A hundred instances in four processes: all see a kill, and its end. How soon is
// measured in bench/packages.
func TestAKillReachesAHundredInstances(t *testing.T) {
	t.Parallel()
	servertest.EachURL(t, func(t *testing.T, url string) {
		s, err := servertest.Open(t.Context(), url)
		must(t, err)
		t.Cleanup(func() { _ = s.Close() })
		c := featureflag.NewControl(s, "ann@laptop")
		must(t, c.Set(t.Context(), "f", onOff("on"), ""))
		said := make(chan string)
		for p := range 4 {
			startInstances(t, url, fmt.Sprint("process ", p, ", instance "), said)
		}
		all := map[string]string{}
		heard := func(want string) {
			t.Helper()
			late := time.NewTimer(2 * time.Minute)
			defer late.Stop()
			for n := 0; n < 4*perProcess; {
				select {
				case line := <-said:
					who, what, _ := strings.Cut(line, " is ")
					if all[who] != want && what == want {
						n++
					} else if all[who] == want {
						n--
					}
					all[who] = what
				case <-late.C:
					t.Fatalf("%d of %d instances have %s: %v", n, 4*perProcess, want, all)
				}
			}
		}
		heard("true")
		begin := time.Now()
		must(t, c.Kill(t.Context(), "f", ""))
		heard("false")
		t.Logf("seen by all after %v", time.Since(begin))
		must(t, c.Restore(t.Context(), "f", ""))
		heard("true")
	})
}

// startInstances starts a process that ends with the test, and passes on what it says.
func startInstances(t *testing.T, url, name string, said chan<- string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), instancesEnv+"="+url)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	ctx, read := t.Context(), make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			who, what, _ := strings.Cut(lines.Text(), " ")
			select {
			case said <- name + who + " is " + what:
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
}
