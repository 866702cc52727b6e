// Package gateway holds canaries that a Gateway divides requests for to what they
// promise. The Gateway is a real one, Traefik, which `lab add gateway` brings into
// the lab.
package gateway
