import com.mongodb.MongoClient;
import java.lang.reflect.Proxy;
import java.sql.DriverManager;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import javax.sql.DataSource;
import net.javacrumbs.shedlock.core.ClockProvider;
import net.javacrumbs.shedlock.core.LockConfiguration;
import net.javacrumbs.shedlock.core.LockProvider;
import net.javacrumbs.shedlock.core.SimpleLock;
import net.javacrumbs.shedlock.provider.jdbc.JdbcLockProvider;
import net.javacrumbs.shedlock.provider.mongo.MongoLockProvider;
import net.javacrumbs.shedlock.provider.redis.support.InternalRedisLockProvider;
import net.javacrumbs.shedlock.provider.redis.support.InternalRedisLockTemplate;
import org.bson.BsonReader;
import org.bson.BsonWriter;
import org.bson.codecs.Codec;
import org.bson.codecs.DecoderContext;
import org.bson.codecs.EncoderContext;
import org.bson.codecs.configuration.CodecRegistries;

/** ShedLock's own classes, which the tests are given by SEGUE_TEST_SHEDLOCK. */
final class Own {
    static Provider provider(String database, String url, String clock, String by) throws Exception {
        return switch (database) {
            case "redis" -> of(new InternalRedisLockProvider(new Template(new Resp(url)), "default", "job-lock", true));
            case "mongodb" -> of(mongo(url));
            default -> of(jdbc(url, clock, by));
        };
    }

    private static LockProvider jdbc(String url, String clock, String by) {
        var settings = JdbcLockProvider.Configuration.builder(source(url)).withLockedByValue(by);
        return new JdbcLockProvider(switch (clock) {
            case "db" -> settings.usingDbTime().build();
            case "utc" -> settings.forceUtcTimeZone().build();
            default -> settings.build();
        });
    }

    /** source makes a connection each time it is asked. */
    private static DataSource source(String url) {
        return (DataSource) Proxy.newProxyInstance(Own.class.getClassLoader(), new Class<?>[] {DataSource.class}, (self, method, args) -> {
            if (method.getName().equals("getConnection")) {
                return DriverManager.getConnection(url);
            }
            throw new UnsupportedOperationException(method.getName());
        });
    }

    /** mongo teaches drivers before 3.7, as Debian's is, what an Instant is. */
    private static LockProvider mongo(String url) {
        var known = MongoClient.getDefaultCodecRegistry();
        return new MongoLockProvider(Mongo.collection(url)
                .withCodecRegistry(CodecRegistries.fromRegistries(CodecRegistries.fromCodecs(new Instants()), known)));
    }

    private static Provider of(LockProvider provider) {
        return (name, atMost, atLeast) -> held(provider.lock(new LockConfiguration(ClockProvider.now(), name, atMost, atLeast)));
    }

    private static Provider.Held held(Optional<SimpleLock> lock) {
        return lock.map(l -> (Provider.Held) new Provider.Held() {
            @Override
            public Provider.Held extend(Duration atMost, Duration atLeast) {
                return held(l.extend(atMost, atLeast));
            }

            @Override
            public void unlock() {
                l.unlock();
            }
        }).orElse(null);
    }

    private record Template(Resp server) implements InternalRedisLockTemplate {
        @Override
        public boolean setIfAbsent(String key, String value, long millis) {
            return call("SET", key, value, "NX", "PX", Long.toString(millis)) != null;
        }

        @Override
        public boolean setIfPresent(String key, String value, long millis) {
            return call("SET", key, value, "XX", "PX", Long.toString(millis)) != null;
        }

        @Override
        public Object eval(String script, String key, String... values) {
            var words = new String[4 + values.length];
            words[0] = "EVAL";
            words[1] = script;
            words[2] = "1";
            words[3] = key;
            System.arraycopy(values, 0, words, 4, values.length);
            return call(words);
        }

        @Override
        public void delete(String key) {
            call("DEL", key);
        }

        private Object call(String... words) {
            try {
                return server.call(words);
            } catch (java.io.IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        }
    }

    private static final class Instants implements Codec<Instant> {
        @Override
        public void encode(BsonWriter out, Instant t, EncoderContext context) {
            out.writeDateTime(t.toEpochMilli());
        }

        @Override
        public Instant decode(BsonReader in, DecoderContext context) {
            return Instant.ofEpochMilli(in.readDateTime());
        }

        @Override
        public Class<Instant> getEncoderClass() {
            return Instant.class;
        }
    }
}
