package session_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
)

// FuzzRecord reads what anybody may have written into the store. What is no
// session is left as it is; what is one is still one after a write.
func FuzzRecord(f *testing.F) {
	for _, seed := range []string{
		`{"$v":1,"$deadline":9000000000000,"user":"ada"}`,
		`{"$v":1,"$deadline":9000000000000,"$touched":1,"$moved":"session/session/x","$update$a":1,"a$2":{}}`,
		`{"$v":1,"$deadline":1}`, `{"$v":2}`, `{"$v":"1","$deadline":1.5e300}`, `[]`, `null`, ``, "{\"\u0000\":1,\"\xff\":2}",
		`{"$v":1,"$deadline":9000000000000,"$deadline":0,"\"":1,"\\":2,"":3}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		b := newBrowser(t, inMemory())
		b.sessions.Logger = slog.New(slog.DiscardHandler)
		b.put("a", "1")
		b.rewrite(func(string) string { return value })
		r := b.do(func(ctx context.Context) {
			b.sessions.Keys(ctx)
			b.sessions.Put(ctx, "new", value)
		})
		b.rewrite(func(now string) string {
			if r.StatusCode == http.StatusOK && !json.Valid([]byte(now)) || r.StatusCode != http.StatusOK && now != value {
				t.Errorf("status %d, %q became %q", r.StatusCode, value, now)
			}
			return now
		})
	})
}
