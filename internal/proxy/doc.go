// Package proxy is Segue's data plane: a process of its own that stands
// between clients and the instances of services.
//
// It promises:
//
//   - When [Client.Apply] has returned, no request that starts afterwards goes
//     to an instance that is absent from the new table, and when
//     [Client.WaitIdle] then says 0, none ever will: an instance is claimed
//     while the table is held, and the request is sent after the claim.
//   - The same goes for a [Split]: whatever begins afterwards is divided as the
//     new table says, and so is what waited. It is a matter of the request, not
//     of its connection, and the client needs no part in it.
//   - A request that cannot have reached an instance is sent to another one. A
//     request that may have reached one is repeated only if it is safe to.
//   - While no instance can be chosen, requests wait, bounded in time and
//     number, and go on the moment there is one.
//   - A truncated answer is never passed off as a whole one.
//   - Told to quit, it closes its copies of the listening sockets (others hold
//     them too), answers what is on its connections, asks each client to
//     leave with its next answer, and returns when all have left.
//   - What it counts of a release ([Counts]) is what the release did: not what
//     the proxy refused, nor how fast a client sends or reads. It is counted
//     whether anybody looks or not, and costs the same.
//   - It needs nothing of the agent once it has a table.
//
// The flow of a request: greet.go (what a connection speaks), server.go (a handler) → route.go
// (which service) → balance.go (an instance is claimed; of which release,
// division.go says) or hold.go (none yet)
// → forward.go (sent, retried, answered) → balance.go again (released), which
// is what drain.go waits for.
//
// The plain exchange takes a shorter way beside it, on event loops: fast.go.
// It claims and releases as the general path does, and what is not plain goes
// over to that. Both pass the same tests.
package proxy
