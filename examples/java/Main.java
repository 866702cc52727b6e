import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;

/** A server of the JDK alone. It knows nothing of Segue; on SIGTERM the JVM ends at once. */
public class Main {
    static final String GREETING = "hello";

    public static void main(String[] args) throws IOException {
        int port = Integer.parseInt(System.getenv("PORT"));
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 128);
        server.setExecutor(Executors.newFixedThreadPool(16));
        server.createContext("/", Main::answer);
        server.start();
    }

    static void answer(HttpExchange x) throws IOException {
        try (x) {
            byte[] sent = x.getRequestBody().readAllBytes();
            byte[] body = x.getRequestMethod().equals("POST") ? sent : greeting();
            x.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
            x.getResponseBody().write(body);
        }
    }

    static byte[] greeting() {
        String release = System.getenv("SEGUE_RELEASE");
        return (GREETING + " from release " + release + ", in Java\n").getBytes(StandardCharsets.UTF_8);
    }
}
