package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// CheckKey reports what no driver takes as a key.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("store: the key is empty")
	case len(key) > MaxKey:
		return fmt.Errorf("store: a key of %d bytes; it has %d at most", len(key), MaxKey)
	case !utf8.ValidString(key) || strings.ContainsRune(key, 0):
		return fmt.Errorf("store: key %q is not UTF-8, or has a NUL in it", key)
	}
	return nil
}
