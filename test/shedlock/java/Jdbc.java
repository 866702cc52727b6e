import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Calendar;
import java.util.HashSet;
import java.util.Set;
import java.util.TimeZone;

/** ShedLock's documented protocol on its table, by JDBC. */
final class Jdbc implements Provider {
    private final Connection connection;
    private final String by;
    private final boolean postgres;
    private final boolean databaseTime;
    private final Calendar zone;
    private final Set<String> made = new HashSet<>(); // records that are known to be there, and never made again

    Jdbc(String database, String url, String clock, String by) throws SQLException {
        this.connection = DriverManager.getConnection(url);
        this.by = by;
        this.postgres = database.equals("postgres");
        this.databaseTime = clock.equals("db");
        this.zone = Calendar.getInstance(clock.equals("utc") ? TimeZone.getTimeZone("UTC") : TimeZone.getDefault());
    }

    /** The times of one lock: durations for the database's clock, instants for this machine's. */
    private record Times(Instant created, Duration atMost, Duration atLeast) {
        static Times now(Duration atMost, Duration atLeast) {
            return new Times(Instant.now().truncatedTo(ChronoUnit.MILLIS), atMost, atLeast);
        }
    }

    @Override
    public synchronized Held lock(String name, Duration atMost, Duration atLeast) throws SQLException {
        var times = Times.now(atMost, atLeast);
        boolean taken = made.add(name) && insert(name, times) || update(name, times);
        return taken ? new Lock(name, times) : null;
    }

    private boolean insert(String name, Times times) throws SQLException {
        String later = later(), now = now();
        String values = " INTO shedlock(name, lock_until, locked_at, locked_by) VALUES(?, " + later + ", " + now + ", ?)";
        if (postgres) {
            var p = new Parameters("INSERT" + values + " ON CONFLICT (name) DO UPDATE SET lock_until = " + later + ", locked_at = " + now
                    + ", locked_by = ? WHERE shedlock.lock_until <= " + now);
            return p.text(name).later(times).now().text(by).later(times).now().text(by).now().run();
        }
        try {
            var p = new Parameters((databaseTime ? "INSERT IGNORE" : "INSERT") + values);
            return p.text(name).later(times).now().text(by).run();
        } catch (SQLException e) {
            return false; // there is one
        }
    }

    private boolean update(String name, Times times) throws SQLException {
        var p = new Parameters("UPDATE shedlock SET lock_until = " + later() + ", locked_at = " + now()
                + ", locked_by = ? WHERE name = ? AND lock_until <= " + now());
        return p.later(times).now().text(by).text(name).now().run();
    }

    private String now() {
        return !databaseTime ? "?" : postgres ? "timezone('utc', CURRENT_TIMESTAMP)" : "UTC_TIMESTAMP(3)";
    }

    private String later() {
        return !databaseTime ? "?" : after(now());
    }

    /** after is a duration, which is a parameter, after a time. */
    private String after(String time) {
        return postgres ? time + " + make_interval(secs => ?)" : "TIMESTAMPADD(MICROSECOND, ?, " + time + ")";
    }

    private final class Lock implements Held {
        private final String name;
        private final Times times;

        Lock(String name, Times times) {
            this.name = name;
            this.times = times;
        }

        @Override
        public Held extend(Duration atMost, Duration atLeast) throws SQLException {
            synchronized (Jdbc.this) {
                var later = Times.now(atMost, atLeast);
                var p = new Parameters("UPDATE shedlock SET lock_until = " + later() + " WHERE name = ? AND locked_by = ? AND lock_until > " + now());
                return p.later(later).text(name).text(by).now().run() ? new Lock(name, later) : null;
            }
        }

        @Override
        public void unlock() throws SQLException {
            synchronized (Jdbc.this) {
                String least = after("locked_at");
                String until = databaseTime ? "CASE WHEN " + least + " > " + now() + " THEN " + least + " ELSE " + now() + " END" : "?";
                var p = new Parameters("UPDATE shedlock SET lock_until = " + until + " WHERE name = ? AND locked_by = ?");
                if (databaseTime) {
                    p.duration(times.atLeast).duration(times.atLeast);
                } else {
                    var end = times.created.plus(times.atLeast);
                    p.time(end.isAfter(Instant.now()) ? end : Instant.now().truncatedTo(ChronoUnit.MILLIS));
                }
                p.text(name).text(by).run();
            }
        }
    }

    /** A statement and its parameters, in their order. */
    private final class Parameters {
        private final PreparedStatement statement;
        private int last;

        Parameters(String sql) throws SQLException {
            statement = connection.prepareStatement(sql);
        }

        Parameters text(String s) throws SQLException {
            statement.setString(++last, s);
            return this;
        }

        Parameters now() throws SQLException {
            return databaseTime ? this : time(Instant.now().truncatedTo(ChronoUnit.MILLIS));
        }

        Parameters later(Times t) throws SQLException {
            return databaseTime ? duration(t.atMost) : time(t.created.plus(t.atMost));
        }

        Parameters time(Instant t) throws SQLException {
            statement.setTimestamp(++last, Timestamp.from(t), zone);
            return this;
        }

        Parameters duration(Duration d) throws SQLException {
            if (postgres) {
                statement.setBigDecimal(++last, BigDecimal.valueOf(d.toMillis(), 3));
            } else {
                statement.setLong(++last, d.toMillis() * 1000);
            }
            return this;
        }

        boolean run() throws SQLException {
            try (statement) {
                return statement.executeUpdate() > 0;
            }
        }
    }
}
