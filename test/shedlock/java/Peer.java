import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;

/**
 * A service in Java that the tests tell what to do: a command a line, its fields parted by tabs, and a line in
 * answer. Arguments: database, URL, whose clock decides (db, utc or jvm), under which name it locks, and whose
 * locking it is: "statements" or "own".
 */
final class Peer {
    private final Provider provider;
    private final Map<String, Provider.Held> held = new HashMap<>();
    private Thread worker;

    private Peer(Provider provider) {
        this.provider = provider;
    }

    public static void main(String[] args) throws Exception {
        var peer = new Peer(provider(args[0], args[1], args[2], args[3], args[4].equals("own")));
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        out.println("ready");
        for (String line; (line = in.readLine()) != null; ) {
            String answer;
            try {
                answer = peer.obey(line.split("\t"));
            } catch (Exception e) {
                answer = "error " + e.toString().replace('\n', ' ');
            }
            out.println(answer);
        }
        System.exit(0);
    }

    private static Provider provider(String database, String url, String clock, String by, boolean own) throws Exception {
        if (own) {
            return (Provider) Class.forName("Own")
                    .getDeclaredMethod("provider", String.class, String.class, String.class, String.class)
                    .invoke(null, database, url, clock, by);
        }
        return switch (database) {
            case "redis" -> new Redis(url, by);
            case "mongodb" -> new Mongo(url, by);
            default -> new Jdbc(database, url, clock, by);
        };
    }

    private String obey(String[] f) throws Exception {
        switch (f[0]) {
            case "lock": {
                var lock = provider.lock(f[1], millis(f[2]), millis(f[3]));
                if (lock != null) {
                    held.put(f[1], lock);
                }
                return lock != null ? "yes" : "no";
            }
            case "extend": {
                var lock = held.get(f[1]).extend(millis(f[2]), millis(f[3]));
                if (lock != null) {
                    held.put(f[1], lock);
                }
                return lock != null ? "yes" : "no";
            }
            case "unlock":
                held.remove(f[1]).unlock();
                return "yes";
            case "work":
                worker = new Thread(() -> work(f[1], millis(f[2]), millis(f[3]), Path.of(f[4])));
                worker.start();
                return "yes";
            case "rest":
                worker.interrupt();
                worker.join();
                return "yes";
            default:
                return "error what is " + f[0];
        }
    }

    private static Duration millis(String s) {
        return Duration.ofMillis(Long.parseLong(s));
    }

    /**
     * work does the job at each multiple of a period, if it gets the lock, as a service does whose clock is now ahead
     * of the others', now behind. It makes a file that nobody else may have made meanwhile, and writes into the ledger
     * what it found.
     */
    private void work(String name, Duration period, Duration takes, Path folder) {
        long p = period.toMillis(), skew = p / 20;
        try {
            for (long n = System.currentTimeMillis() / p + 1; ; n = Math.max(n, System.currentTimeMillis() / p) + 1) {
                long due = n * p + (n % 2 == 0 ? skew : -skew);
                Thread.sleep(Math.max(0, due - System.currentTimeMillis()));
                var lock = provider.lock(name, Duration.ofMinutes(1), period.dividedBy(2));
                if (lock != null) {
                    run(folder, takes);
                    lock.unlock();
                }
            }
        } catch (InterruptedException e) {
            return; // told to rest, between two runs or in one
        } catch (Exception e) {
            e.printStackTrace();
        }
    }

    private static void run(Path folder, Duration takes) throws Exception {
        var mark = folder.resolve("running");
        String found = "java\n";
        try {
            Files.createFile(mark);
        } catch (FileAlreadyExistsException e) {
            found = "overlap in java\n";
        }
        Files.writeString(folder.resolve("ledger"), found, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        Thread.sleep(takes.toMillis());
        Files.deleteIfExists(mark);
    }
}
