package deploy

import "testing"

func TestExpand(t *testing.T) {
	env := Environment{"PORT": "4711", "A_1": "x", "EMPTY": "", "DOLLAR": "$PORT"}
	for word, want := range map[string]string{
		"$PORT": "4711", "${PORT}": "4711", "a$PORT-b${A_1}c": "a4711-bxc", "$EMPTY": "", "$DOLLAR": "$PORT",
		"$PORTS": "$PORTS", "${PORT": "${PORT", "${PORT:-1}": "${PORT:-1}", "$": "$", "$$": "$$", "$$PORT": "$$PORT", "$1": "$1", "$(PORT)": "$(PORT)",
		"$?$PORT": "$?4711", "plain": "plain", "": "", "${}": "${}", "$$$PORT": "$$4711",
	} {
		if got := Expand(word, env); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
