import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.websocket.OnMessage;
import jakarta.websocket.server.ServerEndpoint;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.Set;
import org.apache.catalina.Container;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.core.StandardContext;
import org.apache.catalina.core.StandardWrapper;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.websocket.server.WsSci;

/**
 * Tomcat embedded, stopped as Spring Boot stops it with server.shutdown=graceful:
 * https://docs.spring.io/spring-boot/reference/web/graceful-shutdown.html
 * What that is stands in Spring Boot's org.springframework.boot.tomcat.GracefulShutdown
 * and TomcatWebServer: pause the connector and close its socket, look each 50 ms
 * whether a request is active, for 30 s at most (spring.lifecycle.timeout-per-shutdown-phase),
 * then stop Tomcat.
 */
public final class Main {
    private static final Duration PHASE = Duration.ofSeconds(30);

    public static void main(String[] args) throws Exception {
        Path base = Files.createTempDirectory("tomcat");
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(base.toString());
        Connector connector = new Connector("org.apache.coyote.http11.Http11NioProtocol");
        connector.setProperty("address", "127.0.0.1");
        connector.setPort(Integer.parseInt(System.getenv("PORT")));
        connector.setProperty("bindOnInit", "false"); // as Spring Boot sets it
        tomcat.setConnector(connector);
        StandardContext context = (StandardContext) tomcat.addContext("", null);
        Tomcat.addServlet(context, "app", new App()).addMapping("/");
        context.addServletContainerInitializer(new WsSci(), Set.of(Echo.class));
        tomcat.start();

        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                shutDownGracefully(connector, context);
                tomcat.stop();
                tomcat.destroy();
                delete(base);
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        tomcat.getServer().await();
    }

    private static void shutDownGracefully(Connector connector, StandardContext context) throws InterruptedException {
        connector.pause();
        connector.getProtocolHandler().closeServerSocketGraceful();
        Instant end = Instant.now().plus(PHASE);
        while (active(context) && Instant.now().isBefore(end)) {
            Thread.sleep(50);
        }
    }

    private static boolean active(StandardContext context) {
        if (context.getInProgressAsyncCount() > 0) {
            return true;
        }
        for (Container wrapper : context.findChildren()) {
            if (((StandardWrapper) wrapper).getCountAllocated() > 0) {
                return true;
            }
        }
        return false;
    }

    private static void delete(Path folder) throws IOException {
        try (var all = Files.walk(folder)) {
            all.sorted(Comparator.reverseOrder()).forEach(p -> p.toFile().delete());
        }
    }

    @ServerEndpoint("/ws")
    public static final class Echo {
        @OnMessage
        public String echo(String message) {
            return message;
        }
    }

    private static final class App extends HttpServlet {
        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            String ms = request.getParameter("ms");
            Duration last = Duration.ofMillis(ms == null ? 1500 : Long.parseLong(ms));
            response.setContentType("text/plain");
            switch (request.getRequestURI()) {
                case "/" -> response.getWriter().println("hello");
                case "/slow" -> {
                    pause(last);
                    response.getWriter().println("slow");
                }
                case "/stream" -> {
                    for (Instant end = Instant.now().plus(last); Instant.now().isBefore(end); pause(Duration.ofMillis(50))) {
                        response.getWriter().println("line");
                        response.flushBuffer();
                    }
                    response.getWriter().println("end");
                }
                case "/events" -> {
                    response.setContentType("text/event-stream");
                    for (int n = 1; ; n++, pause(Duration.ofMillis(50))) {
                        response.getWriter().print("id: " + n + "\ndata: tick\n\n");
                        response.flushBuffer(); // throws when the client has gone
                    }
                }
                default -> response.sendError(404);
            }
        }

        @Override
        protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
            InputStream body = request.getInputStream();
            long length = 0;
            byte[] buffer = new byte[64 << 10];
            for (int n; (n = body.read(buffer)) != -1; ) {
                length += n;
            }
            response.getWriter().println(length);
        }

        private static void pause(Duration time) throws IOException {
            try {
                Thread.sleep(time.toMillis());
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
        }
    }
}
