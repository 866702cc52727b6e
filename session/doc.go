// Package session keeps what a service knows of its visitors outside of its
// processes, so that these can be replaced while the visitors stay logged in.
//
//	sessions := session.New(s) // a store.Store
//	http.ListenAndServe(addr, sessions.LoadAndSave(mux))
//
//	sessions.Put(r.Context(), "user", name)
//	sessions.GetString(r.Context(), "user")
//
// Its methods are those of github.com/alexedwards/scs, with other promises:
//
//   - No write is lost. Two requests that change different values of one session
//     at the same time both win; of two that change the same value, the one that
//     is saved last does, or both if they use Value.Update.
//   - A session that was destroyed stays so, whatever is being written to it.
//   - Nobody is logged out because the store is down: the request fails with 503
//     and Retry-After after Manager.Timeout, in which a store that restarts is
//     back.
//   - What another release has written and this one cannot read is kept; see
//     Value.
//   - A request reads the store once, if it has a cookie, and writes to it once, if
//     it has changed something. Renewing the token costs one more of each.
//
// Each request sees the session as it was when the request came, with its own
// changes. These are done all at once when it is saved, before the first byte of
// the response is sent.
//
// The client's token has 256 random bits; the store has its SHA-256 alone, so a
// copy of the store logs nobody in. Values are stored as they are, not encrypted.
//
// Limits: Manager.MaxSize per session. The clocks of the machines that share a
// store should agree to some seconds, as for cookies: Lifetime is counted by them.
package session
