package main

// javaRows are Java's servers, of Debian's jars. Undertow, Quarkus and Vert.x
// are not among them.
func javaRows() []Row {
	row := func(dir string, packages []string, r Row) Row {
		options := "@" + dir + "/options"
		r.Dir, r.Tools, r.Packages = "java", []string{"java", "javac"}, packages
		r.Install = []string{"javac", options, "-d", "build/" + dir, dir + "/Main.java"}
		r.Command = []string{"java", options, "Main"}
		r.Version = []string{"sh", "-c", "java -version 2>&1 | head -1"}
		if len(packages) > 0 {
			r.Version[2] = "dpkg-query -W -f '${Package} ${Version}\\n' " + packages[0] + " && " + r.Version[2]
		}
		r.Slow, r.Stream, r.Upload, r.Events = "/slow", "/stream", "/upload", "/events"
		return r
	}
	return []Row{
		row("tomcat", []string{"libtomcat10-embed-java", "libjakarta-annotation-api-java"}, Row{
			Name: "Tomcat 10 as in Spring Boot", WebSocket: "/ws", Published: "cut on next request",
			Remark: "Tomcat embedded, stopped in the steps of Spring Boot's server.shutdown=graceful: the connector is paused, and what arrives on an open connection is closed unread. A WebSocket on which the client has sent nothing is cut without a Close frame; others get 1001."}),
		row("jetty", []string{"libjetty9-java"}, Row{
			Name: "Jetty 9 as in Spring Boot", Published: "one more message",
			Remark: "Jetty embedded, stopped in the steps of Spring Boot's server.shutdown=graceful. Idle connections have one more message only for as long as another request is in flight: without one Jetty ends at once, and they with it."}),
		row("jdk", nil, Row{
			Name:   "JDK HttpServer, stop(5)",
			Remark: "Answers on open connections, and does not say that it is leaving; ends when no request is in flight, or, if none was, when the 5 s are over."}),
		row("netty", []string{"libnetty-java"}, Row{
			Name:   "Netty, shutdownGracefully",
			Remark: "shutdownGracefully is about the event loops' tasks: every connection is closed at once, with its request."}),
	}
}
