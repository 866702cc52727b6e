import java.time.Duration;

/** A provider of locks: of the statements that ShedLock documents, or of its own classes. */
interface Provider {
    /** lock returns null if somebody else has it. */
    Held lock(String name, Duration atMost, Duration atLeast) throws Exception;

    /** Held is a lock that is held. */
    interface Held {
        /** extend returns null if the lock is lost. */
        Held extend(Duration atMost, Duration atLeast) throws Exception;

        void unlock() throws Exception;
    }
}
