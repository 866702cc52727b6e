import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * The JDK's own server, stopped by stop(delay), which is all that its
 * documentation has:
 * https://docs.oracle.com/en/java/javase/17/docs/api/jdk.httpserver/com/sun/net/httpserver/HttpServer.html#stop(int)
 */
public final class Main {
    public static void main(String[] args) throws IOException {
        InetSocketAddress address = new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT")));
        HttpServer server = HttpServer.create(address, 0);
        ExecutorService executor = Executors.newCachedThreadPool();
        server.setExecutor(executor);
        server.createContext("/", Main::serve);
        server.start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            server.stop(5); // seconds
            executor.shutdown();
        }));
    }

    private static void serve(HttpExchange exchange) throws IOException {
        Duration last = last(exchange.getRequestURI().getQuery());
        switch (exchange.getRequestURI().getPath()) {
            case "/" -> answer(exchange, 200, "hello\n");
            case "/slow" -> {
                pause(last);
                answer(exchange, 200, "slow\n");
            }
            case "/stream" -> stream(exchange, last);
            case "/upload" -> answer(exchange, 200, length(exchange) + "\n");
            case "/events" -> events(exchange);
            default -> answer(exchange, 404, "no such path\n");
        }
    }

    private static void answer(HttpExchange exchange, int status, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, body.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(body);
        }
    }

    private static void stream(HttpExchange exchange, Duration last) throws IOException {
        exchange.sendResponseHeaders(200, 0); // chunked
        try (OutputStream out = exchange.getResponseBody()) {
            for (Instant end = Instant.now().plus(last); Instant.now().isBefore(end); pause(Duration.ofMillis(50))) {
                out.write("line\n".getBytes(StandardCharsets.UTF_8));
                out.flush();
            }
            out.write("end\n".getBytes(StandardCharsets.UTF_8));
        }
    }

    private static void events(HttpExchange exchange) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "text/event-stream");
        exchange.sendResponseHeaders(200, 0);
        try (OutputStream out = exchange.getResponseBody()) {
            for (int n = 1; ; n++, pause(Duration.ofMillis(50))) {
                out.write(("id: " + n + "\ndata: tick\n\n").getBytes(StandardCharsets.UTF_8));
                out.flush(); // throws when the client has gone
            }
        }
    }

    private static long length(HttpExchange exchange) throws IOException {
        long length = 0;
        byte[] buffer = new byte[64 << 10];
        for (int n; (n = exchange.getRequestBody().read(buffer)) != -1; ) {
            length += n;
        }
        return length;
    }

    private static Duration last(String query) {
        boolean says = query != null && query.startsWith("ms=");
        return Duration.ofMillis(says ? Long.parseLong(query.substring(3)) : 1500);
    }

    private static void pause(Duration time) throws IOException {
        try {
            Thread.sleep(time.toMillis());
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }
}
