// Package lifecycle starts the parts of a service in order, stops them in
// reverse, and takes its servers out of use so that no request is lost.
//
//	func main() {
//		db := lifecycle.Func("db", openDB, closeDB)
//		web := lifecycle.HTTP(&http.Server{Addr: ":8080", Handler: mux}).DependsOn("db")
//		if err := lifecycle.Run(context.Background(), db, web); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// What it promises:
//
//   - A component starts when all that it depends on has started, and stops when
//     all that depends on it has stopped. If one does not start, those that have
//     are stopped again.
//   - At SIGTERM or SIGINT a server is drained in the one order that loses
//     nothing, see [HTTP]. Long-lived handlers are told, see [Stopping].
//   - Nothing waits for ever: what is not done at the deadline is cut off, and
//     [Run] says what it was.
//   - At SIGUSR2 the program starts its new binary, which takes over the listening
//     sockets when it is ready. Only then does the old one leave; if the new one
//     fails, the old one goes on. See [App].
//   - It listens on sockets that it inherits (systemd's LISTEN_FDS, as Segue's
//     agent and systemd pass them), and tells systemd how it is (sd_notify(3)).
//
// It needs no agent and no proxy. In a container use the platform's own rolling
// replacement rather than SIGUSR2: when the first process of a container ends,
// so does everything in it.
package lifecycle
