import static com.mongodb.client.model.Filters.and;
import static com.mongodb.client.model.Filters.eq;
import static com.mongodb.client.model.Filters.gt;
import static com.mongodb.client.model.Filters.lte;
import static com.mongodb.client.model.Updates.combine;
import static com.mongodb.client.model.Updates.set;

import com.mongodb.MongoClient;
import com.mongodb.MongoClientURI;
import com.mongodb.MongoServerException;
import com.mongodb.ReadConcern;
import com.mongodb.WriteConcern;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.model.FindOneAndUpdateOptions;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.bson.Document;

/** ShedLock's documented protocol on MongoDB. */
final class Mongo implements Provider {
    private final MongoCollection<Document> locks;
    private final String by;

    Mongo(String url, String by) {
        this.locks = collection(url);
        this.by = by;
    }

    static MongoCollection<Document> collection(String url) {
        Logger.getLogger("org.mongodb").setLevel(Level.WARNING);
        var at = new MongoClientURI(url);
        return new MongoClient(at).getDatabase(at.getDatabase()).getCollection("shedLock")
                .withWriteConcern(WriteConcern.MAJORITY).withReadConcern(ReadConcern.MAJORITY);
    }

    @Override
    public Held lock(String name, Duration atMost, Duration atLeast) {
        var now = Instant.now();
        var taken = combine(set("lockUntil", Date.from(now.plus(atMost))), set("lockedAt", Date.from(now)), set("lockedBy", by));
        try {
            locks.findOneAndUpdate(and(eq("_id", name), lte("lockUntil", Date.from(now))), taken, new FindOneAndUpdateOptions().upsert(true));
            return new Lock(name, now.plus(atLeast));
        } catch (MongoServerException e) {
            if (e.getCode() == 11000) {
                return null;
            }
            throw e;
        }
    }

    private final class Lock implements Held {
        private final String name;
        private final Instant least;

        Lock(String name, Instant least) {
            this.name = name;
            this.least = least;
        }

        @Override
        public Held extend(Duration atMost, Duration atLeast) {
            var now = Instant.now();
            var own = and(eq("_id", name), gt("lockUntil", Date.from(now)), eq("lockedBy", by));
            var old = locks.findOneAndUpdate(own, set("lockUntil", Date.from(now.plus(atMost))));
            return old != null ? new Lock(name, now.plus(atLeast)) : null;
        }

        @Override
        public void unlock() {
            var now = Instant.now();
            locks.findOneAndUpdate(eq("_id", name), combine(set("lockUntil", Date.from(least.isAfter(now) ? least : now))));
        }
    }
}
