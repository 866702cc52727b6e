//go:build !race

package analysis

const part = 1
