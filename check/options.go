package check

// An Option changes how a check is run.
type Option func(*options)

type options struct {
	only     []string
	except   []string
	parallel int
	progress func(Result)
	surveyed func(*Survey)
}

// Only runs these cases and no others. Names that do not exist are an error of
// Run.
func Only(names ...string) Option { return func(o *options) { o.only = names } }

// Except leaves these cases out. Names that do not exist are an error of Run.
func Except(names ...string) Option { return func(o *options) { o.except = names } }

// Parallel is how many servers may run at the same time, if the server listens
// on the port that it is told. 0 is 4.
func Parallel(n int) Option { return func(o *options) { o.parallel = n } }

// Progress calls f with each result as it is had, from one goroutine at a time.
func Progress(f func(Result)) Option { return func(o *options) { o.progress = f } }

// Surveyed calls f once, when the server has been looked at and before the first
// stop.
func Surveyed(f func(*Survey)) Option { return func(o *options) { o.surveyed = f } }
