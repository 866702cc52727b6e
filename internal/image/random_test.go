package image

import (
	"hash/fnv"
	"math/rand"
)

// randomOf is the same for the same word.
func randomOf(word string) rand.Source {
	h := fnv.New64a()
	h.Write([]byte(word))
	return rand.NewSource(int64(h.Sum64()))
}

// random1 does not compress.
func random1(n int) []byte {
	b := make([]byte, n)
	rand.New(randomOf("random")).Read(b)
	return b
}
