import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;

/** A connection to Redis: Debian has no client of it for Java. */
final class Resp {
    private final Socket socket;
    private final BufferedInputStream in;

    Resp(String url) throws IOException {
        var at = URI.create(url);
        socket = new Socket(at.getHost(), at.getPort());
        in = new BufferedInputStream(socket.getInputStream());
        if (at.getUserInfo() != null) {
            var secret = at.getUserInfo().split(":", 2);
            call("AUTH", secret[0], secret[1]);
        }
        if (at.getPath().length() > 1) {
            call("SELECT", at.getPath().substring(1));
        }
    }

    /** call returns a String, a Long, or null for nothing. */
    synchronized Object call(String... words) throws IOException {
        var out = new ByteArrayOutputStream();
        out.writeBytes(("*" + words.length + "\r\n").getBytes());
        for (String word : words) {
            byte[] b = word.getBytes(StandardCharsets.UTF_8);
            out.writeBytes(("$" + b.length + "\r\n").getBytes());
            out.writeBytes(b);
            out.writeBytes("\r\n".getBytes());
        }
        socket.getOutputStream().write(out.toByteArray());
        String line = line();
        return switch (line.charAt(0)) {
            case '+' -> line.substring(1);
            case ':' -> Long.valueOf(line.substring(1));
            case '$' -> text(Integer.parseInt(line.substring(1)));
            default -> throw new IOException("redis: " + line);
        };
    }

    private String text(int length) throws IOException {
        if (length < 0) {
            return null;
        }
        byte[] b = in.readNBytes(length);
        in.readNBytes(2);
        return new String(b, StandardCharsets.UTF_8);
    }

    private String line() throws IOException {
        var b = new ByteArrayOutputStream();
        for (int c; (c = in.read()) != '\n'; ) {
            if (c < 0) {
                throw new IOException("redis has hung up");
            }
            if (c != '\r') {
                b.write(c);
            }
        }
        return b.toString(StandardCharsets.UTF_8);
    }
}
