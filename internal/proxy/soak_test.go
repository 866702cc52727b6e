package proxy

import "os"

// Rounds is how often a test goes round whose races come by chance: more often in
// a soak (SEGUE_SOAK) than in the gate.
func Rounds(soak, gate int) int {
	if os.Getenv("SEGUE_SOAK") != "" {
		return soak
	}
	return gate
}
