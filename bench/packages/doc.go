// Package packages measures Segue's packages beside other people's, in one run,
// on the same server and with the same work. A module of its own, so that the
// others reach nobody who imports Segue. Its files are behind the build tag
// bench, and it judges nothing:
//
//	make bench
package packages
