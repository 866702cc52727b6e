// Package bench measures Segue beside its peers: whole processes, in turn, on
// one machine, with the same upstream and the same load. It prints tables and
// writes them into README.md, which tells how to read them.
//
// It judges nothing: no number makes it fail, and no test of Segue depends on
// the speed of a machine. Its files are behind the build tag bench:
//
//	make bench
package bench
