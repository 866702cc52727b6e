import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.UUID;

/** ShedLock's documented protocol on Redis, with safeUpdate. */
final class Redis implements Provider {
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);
    private static final String EXPIRE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end";
    private static final String REMOVE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";
    private final Resp server;
    private final String by;

    Redis(String url, String by) throws Exception {
        this.server = new Resp(url);
        this.by = by;
    }

    @Override
    public Held lock(String name, Duration atMost, Duration atLeast) throws Exception {
        String key = "job-lock:default:" + name, value = "ADDED:" + TIME.format(Instant.now()) + "@" + by + ":" + UUID.randomUUID();
        var created = Instant.now();
        boolean taken = server.call("SET", key, value, "NX", "PX", Long.toString(atMost.toMillis())) != null;
        return taken ? new Lock(key, value, created.plus(atLeast)) : null;
    }

    private final class Lock implements Held {
        private final String key;
        private final String value;
        private final Instant least;

        Lock(String key, String value, Instant least) {
            this.key = key;
            this.value = value;
            this.least = least;
        }

        @Override
        public Held extend(Duration atMost, Duration atLeast) throws Exception {
            var created = Instant.now();
            return expire(atMost.toMillis()) ? new Lock(key, value, created.plus(atLeast)) : null;
        }

        @Override
        public void unlock() throws Exception {
            long left = Duration.between(Instant.now(), least).toMillis();
            if (left > 0) {
                expire(left);
            } else {
                server.call("EVAL", REMOVE, "1", key, value);
            }
        }

        private boolean expire(long millis) throws Exception {
            return Long.valueOf(1).equals(server.call("EVAL", EXPIRE, "1", key, value, Long.toString(millis)));
        }
    }
}
