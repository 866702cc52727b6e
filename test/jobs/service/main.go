// The service of test/jobs: a job every second and one of many steps, which write
// what they do into a ledger that outlives them.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/store/open"
)

func main() {
	if err := run(); err != nil {
		log.Fatalf("%d: %v", os.Getpid(), err)
	}
}

func run() error {
	s, err := open.Default(context.Background())
	if err != nil {
		return err
	}
	file, err := os.OpenFile(os.Getenv("LEDGER"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	l := ledger{file}
	jobs := job.New(s, job.Lease(2*time.Second))
	jobs.Add("second", job.Every(time.Second), l.second, job.AtMostFor(time.Minute))
	jobs.Add("long", job.Every(10000*time.Hour), l.long) // asked for by hand
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })
	app := lifecycle.App{Components: []lifecycle.Component{
		lifecycle.Func("store", nil, func(context.Context) error { return s.Close() }),
		jobs.Component().DependsOn("store"),
		lifecycle.Func("up", func(context.Context) error { return l.write("up", "-", 0, 0) }, nil).DependsOn("jobs"),
		lifecycle.HTTP(&http.Server{Handler: mux}, lifecycle.WithReadiness("/ready")),
	}}
	return app.Run(context.Background())
}

// A ledger knows nothing of package job.
type ledger struct{ file *os.File }

func (l ledger) write(what, run string, slot int64, step int) error {
	_, err := fmt.Fprintln(l.file, what, run, slot, step, os.Getpid(), time.Now().UnixNano())
	return err
}

// second works for some of its second.
func (l ledger) second(ctx context.Context) error {
	run := job.Current(ctx)
	if err := l.write("begin", run.ID, run.Slot.UnixNano(), 0); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond) // work
	return l.write("end", run.ID, run.Slot.UnixNano(), 0)
}

// long goes on until there is a file that says that it is enough.
func (l ledger) long(ctx context.Context) error {
	step, run := 0, job.Current(ctx)
	if _, err := job.Resume(ctx, &step); err != nil {
		return err
	}
	for {
		if _, err := os.Stat(l.file.Name() + ".enough"); err == nil {
			return l.write("enough", run.ID, 0, step)
		}
		time.Sleep(50 * time.Millisecond) // work
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		step++
		if err := l.write("step", run.ID, 0, step); err != nil {
			return err
		}
		if err := job.Checkpoint(ctx, step); err != nil {
			return err
		}
	}
}
