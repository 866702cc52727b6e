// Package scale holds Segue to what it costs on a cluster of many pods, on a
// control plane whose nodes are simulated.
package scale
