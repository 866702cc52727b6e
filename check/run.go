package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Run checks the target. An error is a check that could not be held: a target
// that is not valid, a server that does not start. What the server does badly
// is in the report.
func Run(ctx context.Context, t Target, opts ...Option) (*Report, error) {
	o := options{}
	for _, set := range opts {
		set(&o)
	}
	cases, err := chosen(o.only, o.except)
	if err != nil {
		return nil, err
	}
	if err := t.validate(); err != nil {
		return nil, err
	}
	r := &run{target: t, options: o, cases: cases, results: map[string]Result{}, began: time.Now()}
	if err := r.all(ctx); err != nil {
		return nil, err
	}
	return r.report(), nil
}

func chosen(only, except []string) ([]Case, error) {
	for _, name := range slices.Concat(only, except) {
		if !slices.Contains(caseNames(), name) {
			return nil, invalid("there is no case %q; there are %s", name, strings.Join(caseNames(), ", "))
		}
	}
	return slices.DeleteFunc(Cases(), func(c Case) bool {
		return len(only) > 0 && !slices.Contains(only, c.Name) || slices.Contains(except, c.Name)
	}), nil
}

func caseNames() []string {
	var names []string
	for _, c := range Cases() {
		names = append(names, c.Name)
	}
	return names
}

// A run is one check under way.
type run struct {
	target Target
	options
	cases  []Case
	survey *Survey
	began  time.Time

	mu         sync.Mutex
	results    map[string]Result
	unfinished error // why the cases that were left could not be tried
}

func (r *run) all(ctx context.Context) error {
	first, err := r.look(ctx)
	if err != nil {
		return err
	}
	if r.surveyed != nil {
		r.surveyed(r.survey)
	}
	stages := r.stages()
	if first != nil { // it runs already, and is the only one there will be
		if len(stages[0]) == 0 {
			first.end()
			return nil // no reason to stop it
		}
		_, err := r.play(ctx, first, stages[0], true)
		return err
	}
	return r.playAll(ctx, stages)
}

// look surveys the server. One that can be stopped only once is returned, still
// running; another is ended.
func (r *run) look(ctx context.Context) (*server, error) {
	began := time.Now()
	s, err := up(ctx, r.target, 0, false)
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	r.survey, err = inspect(ctx, s)
	if err != nil {
		s.end()
		return nil, err
	}
	r.survey.Start = Duration(took)
	if s.proc != nil {
		r.survey.receives = receptionOf(s.proc, r.target.signal())
	}
	if r.target.once() {
		return s, nil
	}
	s.end()
	return nil, nil
}

// stages groups the cases that can be had by the stage that they share; the
// others are skipped.
func (r *run) stages() [][]Case {
	var order []string
	groups := map[string][]Case{}
	for _, c := range r.cases {
		if why := r.cannot(c); why != "" {
			r.done(c, Result{Case: c.Name, Verdict: Skip, Observed: why})
			continue
		}
		name := r.stageOf(c)
		if r.target.once() && r.survey.narrow() && len(order) > 0 {
			r.done(c, Result{Case: c.Name, Verdict: Skip, Observed: onlyOne})
			continue
		}
		if groups[name] == nil {
			order = append(order, name)
		}
		groups[name] = append(groups[name], c)
	}
	stages := make([][]Case, 0, len(order)+1)
	for _, name := range order {
		stages = append(stages, groups[name])
	}
	if len(stages) == 0 {
		stages = append(stages, nil)
	}
	return stages
}

// onlyOne is why a narrow server that can be stopped only once plays one case.
const onlyOne = "this server serves too few at a time for several cases at one stop, and can be stopped only once; choose the case by --only"

// stageOf names the stage on which the case is played. On a narrow server none is
// shared: its cases would wait for each other.
func (r *run) stageOf(c Case) string {
	switch {
	case r.target.once():
		return "the only one"
	case c.With == "" || r.survey.narrow():
		return "alone: " + c.Name
	default:
		return c.With
	}
}

func (r *run) cannot(c Case) string {
	if r.target.once() && (c.With == "" || c.clear && r.shared()) {
		return "needs a stop of its own, and this server can be stopped only once"
	}
	if c.needs == nil {
		return ""
	}
	return c.needs(r.target, r.survey)
}

// shared reports whether the cases would have several stages, if there could be.
func (r *run) shared() bool {
	names := map[string]bool{}
	for _, c := range r.cases {
		if c.With != "" {
			names[c.With] = true
		}
	}
	return len(names) > 1
}

// playAll plays the stages, several at once if the server can.
func (r *run) playAll(ctx context.Context, stages [][]Case) error {
	workers := 1
	if r.survey.Moves {
		workers = cmp.Or(r.parallel, 4)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan []Case)
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for cases := range queue {
				if err := r.start(ctx, cases); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, cases := range stages {
		select {
		case queue <- cases:
		case <-ctx.Done():
		}
	}
	close(queue)
	working.Wait()
	return context.Cause(ctx)
}

// tries is how often a case is played that misses its moment.
const tries = 3

// start holds a stage, and again for those that have missed their moment.
func (r *run) start(ctx context.Context, cases []Case) error {
	for try := 1; len(cases) > 0; try++ {
		var err error
		if cases, err = r.hold(ctx, cases, try == tries); err != nil {
			return err
		}
	}
	return nil
}

// hold holds a stage once. If the server cannot be had again, its cases are
// skipped. It returns those that are to be played again, unless it is the last
// time.
func (r *run) hold(ctx context.Context, cases []Case, last bool) (late []Case, err error) {
	if cases[0].bare {
		return nil, r.playBare(ctx, cases[0])
	}
	if why := r.givenUp(); why != nil && r.elsewhere() {
		r.skip(cases, why)
		return nil, nil
	}
	s, err := up(ctx, r.target, 0, r.elsewhere() && r.survey.KeepAlive)
	if err != nil && r.survey.Moves && ctx.Err() == nil {
		s, err = up(ctx, r.target, 0, false) // somebody else may have taken its port
	}
	if err == nil {
		if s.proc != nil {
			settle(ctx, s.proc, r.target.signal(), r.survey.receives)
		}
		return r.play(ctx, s, cases, last)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	r.skip(cases, err)
	return nil, nil
}

func (r *run) elsewhere() bool { return len(r.target.Stop) > 0 }

// givenUp is why no server is to be had any more.
func (r *run) givenUp() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unfinished
}

// skip leaves cases out for want of a server.
func (r *run) skip(cases []Case, why error) {
	r.mu.Lock()
	r.unfinished = cmp.Or(r.unfinished, why)
	r.mu.Unlock()
	for _, c := range cases {
		r.done(c, Result{Case: c.Name, Verdict: Skip, Observed: "the server could not be had again: " + strings.TrimPrefix(why.Error(), "check: ")})
	}
}

// playBare plays a case that starts its servers by itself.
func (r *run) playBare(ctx context.Context, c Case) error {
	stage := &Stage{server: &server{target: r.target}, survey: r.survey, signalled: make(chan struct{}), cancelled: ctx}
	res := c.play(ctx, &place{Stage: stage, prepare: func() {}, arrive: func() {}})
	if ctx.Err() == nil {
		r.done(c, res)
	}
	return context.Cause(ctx)
}

// play plays cases on a server that runs, and returns those that have missed
// their moment, unless it is the last time.
func (r *run) play(ctx context.Context, s *server, cases []Case, last bool) (late []Case, err error) {
	defer s.end()
	stage := &Stage{server: s, survey: r.survey}
	if r.elsewhere() {
		return nil, r.playElsewhere(ctx, stage, cases)
	}
	var mu sync.Mutex
	stage.run(ctx, cases, func(c Case, res Result) {
		if !res.late || last {
			r.done(c, res)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		late = append(late, c)
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return late, stage.failed
}

func (r *run) done(c Case, res Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	res.Mend = mend(r.survey.Server, r.target.signal(), res)
	r.results[c.Name] = res
	if r.progress != nil {
		r.progress(res)
	}
}

func (r *run) report() *Report {
	rep := &Report{Target: r.target.name(), Server: r.survey.Server, Survey: r.survey, Took: Duration(time.Since(r.began))}
	for _, c := range r.cases {
		rep.Results = append(rep.Results, r.results[c.Name])
	}
	rep.Class = classify(r.survey, func(name string) Outcome { return r.results[name].Outcome })
	if r.unfinished != nil {
		rep.Unfinished = strings.TrimPrefix(r.unfinished.Error(), "check: ")
	}
	rep.ExitIdle, rep.ExitBusy = r.results["exit-idle"].Took, r.results["exit-busy"].Took
	return rep
}

// name is the target as the user wrote it, without a password.
func (t Target) name() string {
	switch {
	case len(t.Command) > 0:
		return strings.Join(t.Command, " ")
	case t.PID != 0:
		return fmt.Sprintf("process %d", t.PID)
	}
	u, err := t.at(1)
	if err != nil {
		return "?" // validate has refused it
	}
	return u.Redacted()
}
