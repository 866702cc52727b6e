package check

// A Class is how a server treats persistent connections when it is told to stop.
type Class string

// The classes of A. Qvist, "Zero downtime shutdown for REST APIs" (2025).
const (
	ClassNone      Class = "none"                       // killed in the middle of requests
	ClassImmediate Class = "immediate hang-up"          // idle connections are closed at once: a request on its way is lost
	ClassOneMore   Class = "one more message"           // the next request is answered, and says that it was the last
	ClassImperfect Class = "imperfect one more message" // the next request is refused, then closed
	ClassRefuse    Class = "refuse and keep open"       // each request is refused, and the connection kept
	ClassCut       Class = "cut on next request"        // the next request gets the end of the connection
	ClassNeverEnds Class = "never ends"                 // waits for clients for ever
	ClassUnknown   Class = "unknown"                    // it could not be seen
	ClassNoPersist Class = "no persistent connections"  // closes after each answer anyway
)

// Classes are all classes.
func Classes() []Class {
	return []Class{ClassNone, ClassImmediate, ClassOneMore, ClassImperfect, ClassRefuse, ClassCut, ClassNeverEnds, ClassNoPersist, ClassUnknown}
}

// Meaning is the class in a sentence.
func (c Class) Meaning() string {
	switch c {
	case ClassNone:
		return "requests are killed in the middle"
	case ClassImmediate:
		return "idle connections are closed without a word, and a request that is on its way then is lost"
	case ClassOneMore:
		return "the next request on a persistent connection is answered, and told that it was the last"
	case ClassImperfect:
		return "the next request on a persistent connection is refused, and the connection closed"
	case ClassRefuse:
		return "requests on persistent connections are refused, and the connections kept: their clients never leave"
	case ClassCut:
		return "the next request on a persistent connection gets the end of the connection for an answer"
	case ClassNeverEnds:
		return "it waits for its clients to go, and they do not know that they should"
	case ClassNoPersist:
		return "there is nothing to say goodbye to"
	default:
		return "it could not be seen: the classes are those of HTTP/1.1, and a slow path (--slow) must keep the server alive long enough"
	}
}

// classify goes by the outcomes of a few cases.
func classify(s *Survey, of func(string) Outcome) Class {
	switch {
	case of("in-flight-slow") == outcomeCut, of("in-flight-slow") == outcomeRefusedClose, of("exit-idle") == outcomeBySignal:
		return ClassNone // refused: by what stands before a server that was killed
	case of("signal-reaches") == outcomeUnreached:
		return ClassNone // it goes on until it is killed
	case of("exit-kept-alive") == outcomeWaitsForClients, of("used-after-busy") == outcomeAnsweredOn:
		return ClassNeverEnds
	case !s.HTTP1:
		return classify2(of)
	case !s.KeepAlive:
		return ClassNoPersist
	}
	switch of("used-after-signal") {
	case outcomeHungUp:
		return ClassImmediate
	case outcomeLastAnswer:
		return ClassOneMore
	case outcomeRefusedClose:
		return ClassImperfect
	case outcomeRefusedKept:
		return ClassRefuse
	case outcomeCut:
		return ClassCut
	case outcomeAnsweredOn:
		return classOfPatient(of("used-after-busy"))
	}
	return ClassUnknown
}

// classify2 is for a server that speaks HTTP/2 alone. What the others of the
// classes are about, the end of a connection between two requests, has a word of
// its own there.
func classify2(of func(string) Outcome) Class {
	switch {
	case of("h2-streams-finish") == outcomeCut, of("grpc-unary") == outcomeCut:
		return ClassNone
	case of("h2-goaway") == outcomeNeverTold:
		return ClassNeverEnds
	}
	return ClassUnknown
}

// classOfPatient is for a server that went on for longer than the client of
// used-after-signal: it goes by how the one that asks to the end of the grace
// fared.
func classOfPatient(end Outcome) Class {
	switch end {
	case outcomeHungUp, outcomeCut:
		return ClassImmediate // later, but without a word
	case outcomeLastAnswer:
		return ClassOneMore
	}
	return ClassNeverEnds
}

// Outcomes that several cases share.
const (
	outcomeAnswered     Outcome = "answered"        // rightly, and whole
	outcomeLastAnswer   Outcome = "last answer"     // rightly, with word that it was the last on this connection
	outcomeAnsweredOn   Outcome = "answered on"     // rightly, with no word of an end
	outcomeHungUp       Outcome = "hung up"         // closed before the client sent anything
	outcomeRefusedClose Outcome = "refused, closed" // an error, and the connection ends
	outcomeRefusedKept  Outcome = "refused, kept"   // an error, and the connection stays
	outcomeCut          Outcome = "cut"             // sent, and not answered
	outcomeNotOpened    Outcome = "not opened"      // the connection was refused
	outcomeStarved      Outcome = "never answered"  // sent, and nothing came until the end of the grace

	outcomeBySignal        Outcome = "ended by the signal" // it has no handler
	outcomeExited          Outcome = "exited"
	outcomeWaitsForClients Outcome = "waits for clients" // exits once they have gone
	outcomeNeverExits      Outcome = "never exits"
	outcomeUnreached       Outcome = "signal unreached" // the program did not get it
)

// Outcomes of how a process ends.
const (
	outcomeCrashed  Outcome = "crashed"   // ended by another signal
	outcomeExitCode Outcome = "exit code" // one that supervisors take for a failure
	outcomeLingers  Outcome = "lingers"   // exits, but long after its last answer
)
