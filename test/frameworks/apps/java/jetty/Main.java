import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.time.Instant;
import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.handler.StatisticsHandler;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

/**
 * Jetty embedded, stopped as Spring Boot stops it with server.shutdown=graceful:
 * https://docs.spring.io/spring-boot/reference/web/graceful-shutdown.html
 * What that is stands in Spring Boot's GracefulShutdown and JettyWebServer for
 * Jetty 9: shut the connectors down, look each 100 ms at the StatisticsHandler
 * whether a request is active, for 30 s at most (spring.lifecycle.timeout-per-shutdown-phase),
 * then stop the connectors and the server.
 */
public final class Main {
    private static final Duration PHASE = Duration.ofSeconds(30);

    public static void main(String[] args) throws Exception {
        Server server = new Server(new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT"))));
        ServletContextHandler context = new ServletContextHandler();
        context.addServlet(new ServletHolder(new App()), "/");
        StatisticsHandler statistics = new StatisticsHandler();
        statistics.setHandler(context);
        server.setHandler(statistics);
        server.start();

        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                shutDownGracefully(server, statistics);
                for (Connector connector : server.getConnectors()) {
                    connector.stop();
                }
                server.stop();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        server.join();
    }

    private static void shutDownGracefully(Server server, StatisticsHandler statistics) throws Exception {
        for (Connector connector : server.getConnectors()) {
            connector.shutdown().get();
        }
        Instant end = Instant.now().plus(PHASE);
        while (statistics.getRequestsActive() > 0 && Instant.now().isBefore(end)) {
            Thread.sleep(100);
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
