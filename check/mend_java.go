package check

func mendSpring(a ailment) string {
	if !a.uses("spring-boot") {
		return ""
	}
	const url = "https://docs.spring.io/spring-boot/reference/web/graceful-shutdown.html"
	switch a.trouble {
	case brokenOff, waits, unhandled:
		return advise("Let the web server finish what it has: that is the default since 3.4, and to be asked for from 2.3 on.", `
server.shutdown=graceful
spring.lifecycle.timeout-per-shutdown-phase=25s`, url)
	case hangsUp, refuses:
		return advise("Tomcat cuts what comes on open connections once it stops, Undertow answers 503, Jetty and Netty hang up. A listener of ContextClosedEvent runs before any of that: let it wait, and a filter tell the clients meanwhile.", `
@Component class Leaving extends OncePerRequestFilter implements ApplicationListener<ContextClosedEvent> {
  private volatile boolean leaving;
  public void onApplicationEvent(ContextClosedEvent e) {
    leaving = true;
    try { Thread.sleep(5000); } catch (InterruptedException x) { Thread.currentThread().interrupt(); }
  }
  protected void doFilterInternal(HttpServletRequest req, HttpServletResponse res, FilterChain chain)
      throws ServletException, IOException {
    if (leaving) res.setHeader("Connection", "close");
    chain.doFilter(req, res);
  }
}`, url)
	case unannounced:
		return advise("Use the readiness of the actuator as the probe, and let the pod get the signal later than the routes are changed.", `
management.endpoint.health.probes.enabled=true   # /actuator/health/readiness
`+preStop, "https://docs.spring.io/spring-boot/how-to/deployment/cloud.html#howto.deployment.cloud.kubernetes.container-lifecycle")
	default:
		return mendJava(a)
	}
}

func mendQuarkus(a ailment) string {
	if !a.uses("quarkus") {
		return ""
	}
	const url = "https://quarkus.io/guides/lifecycle#graceful-shutdown"
	switch a.trouble {
	case hangsUp, refuses, unannounced:
		return advise("Let it serve on for a while: its readiness is DOWN meanwhile, and requests are answered.", `
quarkus.shutdown.delay-enabled=true   # when it is built
quarkus.shutdown.delay=5s
quarkus.shutdown.timeout=20s`, url)
	case brokenOff, waits:
		return advise("Let it wait for what is under way.", "quarkus.shutdown.timeout=20s", url)
	default:
		return ""
	}
}

// mendJava is for what all JVMs have in common, and for servers without a
// framework.
func mendJava(a ailment) string {
	if a.Runtime != "java" {
		return ""
	}
	switch a.trouble {
	case exitsBadly:
		return advise("A JVM that ends by SIGTERM exits with 143, in whatever order its hooks have stopped it.", "SuccessExitStatus=143   # in the systemd unit", "https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#SuccessExitStatus=")
	case unhandled, brokenOff:
		return advise("Stop the server in a shutdown hook, and wait there until its requests have ended: the JVM is gone when the last hook returns. com.sun.net.httpserver waits for as long as stop is told.", `
Runtime.getRuntime().addShutdownHook(new Thread(() -> server.stop(20)));`, "https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/lang/Runtime.html#addShutdownHook(java.lang.Thread)")
	case hangsUp, refuses:
		return advise("Let the shutdown hook begin with a wait in which requests are answered with Connection: close, and stop the server after it.", `
Runtime.getRuntime().addShutdownHook(new Thread(() -> {
  leaving = true;        // a filter sets Connection: close on each answer
  sleep(5000);
  server.stop(20);
}));`, "https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/lang/Runtime.html#addShutdownHook(java.lang.Thread)")
	default:
		return ""
	}
}
