package check

import "time"

// serveSlowCall answers with an empty message, some time later.
func (st *fixtureStream) serveSlowCall() {
	st.wholeBody()
	time.Sleep(fixtureSlow)
	st.fields(false, ":status", "200", "content-type", "application/grpc")
	st.data("\x00\x00\x00\x00\x00", false)
	st.fields(true, "grpc-status", "0")
}

// serveHealth says SERVING until the signal, and NOT_SERVING from then on.
func (st *fixtureStream) serveHealth() {
	message := func() string {
		if st.isStopping() && !st.faults["grpc-serving"] {
			return "\x00\x00\x00\x00\x02\x08\x02"
		}
		return "\x00\x00\x00\x00\x02\x08\x01"
	}
	st.wholeBody()
	if st.isStopping() && st.faults["grpc-refuses"] {
		st.fields(true, ":status", "200", "content-type", "application/grpc", "grpc-status", "14")
		return
	}
	st.fields(false, ":status", "200", "content-type", "application/grpc")
	st.data(message(), false)
	if st.path == healthWatch {
		<-st.stopping
		if st.faults["grpc-endless"] {
			select {}
		}
		st.data(message(), false)
		time.Sleep(fixtureLingers / 2)
		if st.faults["grpc-cut"] {
			st.c.Close()
			return
		}
	}
	switch {
	case st.path == healthWatch && st.faults["grpc-cancelled"]:
		st.fields(true, "grpc-status", "1")
	case st.path == healthWatch:
		st.fields(true, "grpc-status", "14", "grpc-message", "restart")
	default:
		st.fields(true, "grpc-status", "0")
	}
}
