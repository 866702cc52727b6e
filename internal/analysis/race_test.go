//go:build race

package analysis

// part of the runs are made under the race detector, which has nothing to find
// in numbers and makes them ten times as slow.
const part = 20
