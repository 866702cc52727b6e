package check

// Cases are all cases, in the order in which a report shows them: the signal and
// the exit, requests, persistent connections, new connections, HTTP/2 and what
// runs over it, long-lived connections, and the rest of the process.
func Cases() []Case {
	return []Case{
		signalReaches(),
		signalAsPID1(),
		signalAtStart(),
		secondSignal(),
		exitIdle(),
		exitBusy(),
		exitKeptAlive(),

		inFlightShort(),
		inFlightSlow(),
		inFlightStream(),
		halfHeaders(),
		halfBody(),
		expectContinue(),
		longUpload(),
		idleUnused(),
		idleUsed(),
		usedAtSignal(),
		usedAfterSignal(),
		usedAfterBusy(),
		pipelinedRequests(),
		steadyLoad(),

		acceptQueue(),
		newConnection(),
		readiness(),

		h2GoAway(),
		h2TwoStep(),
		h2LastStream(),
		h2StreamsFinish(),
		grpcHealth(),
		grpcUnary(),
		grpcStream(),

		webSocketClose(),
		eventsBoundary(),

		children(),
		portFree(),
		socketActivation(),
	}
}
