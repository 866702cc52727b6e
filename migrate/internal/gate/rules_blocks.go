package gate

import "github.com/seguehq/segue/migrate/internal/script"

// columns: what is added to a table in use, or changed in it.
func columns() []Rule {
	return []Rule{
		{
			Name: "add-not-null-without-default", Effect: Breaks, Kinds: all(), Phases: always(), Freely: true,
			What: "ADD COLUMN … NOT NULL without a DEFAULT, and CHECK (… IS NOT NULL) on such a column",
			Why:  "the release that runs does not know the column and leaves it out of its inserts, which fail from now on; where there are rows, PostgreSQL and SQLite refuse the statement itself",
			Safe: "Expand: add it with a DEFAULT, or allowing NULL. Backfill: fill it. Contract: make it NOT NULL.",
			Op:   "add_column (with up)",
		},
		{
			Name: "add-volatile-default", Effect: Blocks, Kinds: servers(), Phases: always(), Freely: true,
			What: "ADD COLUMN … DEFAULT with a function whose value is another for each row",
			Why:  "the whole table is rewritten, and nobody reads or writes it meanwhile; PostgreSQL and MariaDB add a column at once if its default is one and the same value for all rows",
			Safe: "Expand: add the column without a default, then ALTER COLUMN … SET DEFAULT, which holds for new rows. Backfill: fill the old ones.",
			Op:   "add_column (with up)",
		},
		{
			Name: "add-serial", Effect: Blocks, Kinds: servers(), Phases: always(), Freely: true,
			What: "ADD COLUMN … SERIAL, GENERATED … AS IDENTITY, AUTO_INCREMENT on a table in use",
			Why:  "every row gets a number: the whole table is rewritten, and nobody writes it meanwhile",
			Safe: "Expand: create a sequence, add a BIGINT column that allows NULL, and SET DEFAULT nextval(…). Backfill: number the old rows.",
			SafeIn: map[Kind]string{
				MariaDB: "Create a table that has it, carry rows over by a trigger and a backfill, and use that one from the new release.",
			},
		},
		{
			Name: "add-stored-generated", Effect: Blocks, Kinds: servers(), Phases: always(), Freely: true,
			What: "ADD COLUMN … GENERATED ALWAYS AS (…) STORED",
			Why:  "the value of each row is worked out and written: the whole table is rewritten, and nobody writes it meanwhile",
			Safe: "Add a plain column, a trigger that fills it, and a backfill.",
			SafeIn: map[Kind]string{
				MariaDB: "Make it VIRTUAL, which is added at once and may be indexed; or a plain column with a trigger and a backfill.",
			},
			Op: "add_column (with up)",
		},
		{
			Name: "change-type", Effect: Blocks, Kinds: servers(), Phases: always(), Freely: true,
			What: "ALTER COLUMN … TYPE, MODIFY, CHANGE, CONVERT TO CHARACTER SET, ALTER TYPE … ATTRIBUTE",
			Why:  "the table is rewritten while nobody writes it (in PostgreSQL nobody reads it, either), and the release that runs may not understand the new type's values",
			Safe: "Expand: add a column of the new type and a trigger that carries writes over both ways. Backfill: convert the old values. Contract: drop the old column. What only becomes longer is done at once and let through: VARCHAR to a longer one or TEXT, NUMERIC to a larger precision of the same scale.",
			SafeIn: map[Kind]string{
				MariaDB: "If it changes no data (a longer VARCHAR, a further value at the end of an ENUM), write ALGORITHM=INSTANT: the server refuses what is not. Else, expand: add a column of the new type and triggers that carry writes over. Backfill: convert the old values. Contract: drop the old column.",
			},
			Op: "alter_column (type, with up and down)",
		},
		{
			Name: "set-not-null", Effect: Breaks, Kinds: servers(), Phases: early(), Freely: true,
			What: "ALTER COLUMN … SET NOT NULL, ADD PRIMARY KEY, MODIFY … NOT NULL",
			Why:  "the release that runs may write NULL, and gets errors from now on",
			Safe: "Backfill the NULLs, and make it NOT NULL in contract: ADD CONSTRAINT … CHECK (column IS NOT NULL) NOT VALID, VALIDATE CONSTRAINT, SET NOT NULL, DROP CONSTRAINT.",
			SafeIn: map[Kind]string{
				MariaDB: "Backfill the NULLs, and make it NOT NULL in contract, with ALGORITHM=INPLACE, LOCK=NONE.",
			},
			Op: "alter_column (nullable: false, with up)",
		},
		{
			Name: "set-not-null-scans", Effect: Blocks, Kinds: postgres(), Phases: only(script.Contract),
			What: "ALTER COLUMN … SET NOT NULL without a validated CHECK (… IS NOT NULL)",
			Why:  "PostgreSQL reads the whole table to see that there is no NULL, and nobody reads or writes it meanwhile",
			Safe: "In front of it: ADD CONSTRAINT … CHECK (column IS NOT NULL) NOT VALID; VALIDATE CONSTRAINT, which blocks nobody. PostgreSQL then reads nothing. Drop the constraint afterwards.",
			Op:   "alter_column (nullable: false, with up)",
		},
		{
			Name: "sqlite-add-column", Effect: Breaks, Kinds: []Kind{SQLite}, Phases: always(),
			What: "ADD COLUMN with UNIQUE, PRIMARY KEY, STORED, or a default that is not a constant",
			Why:  "SQLite refuses it on a table with rows",
			Safe: "Add a plain column, fill it in backfill, and add a unique index in contract.",
		},
	}
}

// constraints: what holds rows to something.
func constraints() []Rule {
	return []Rule{
		{
			Name: "add-foreign-key", Effect: Blocks, Kinds: servers(), Phases: always(), Freely: true,
			What: "ADD FOREIGN KEY that checks the rows which are there",
			Why:  "writers of both tables wait while every row is looked up",
			Safe: "ADD CONSTRAINT … FOREIGN KEY … NOT VALID, which holds for new rows; and VALIDATE CONSTRAINT in backfill, which blocks nobody.",
			SafeIn: map[Kind]string{
				MariaDB: "SET STATEMENT foreign_key_checks=0 FOR ALTER TABLE … ADD CONSTRAINT … FOREIGN KEY …, ALGORITHM=INPLACE, LOCK=NONE; it holds for new rows. Mend the orphans in backfill.",
			},
			Op: "create_constraint",
		},
		{
			Name: "add-check", Effect: Blocks, Kinds: servers(), Phases: always(), Freely: true,
			What: "ADD CHECK that checks the rows which are there",
			Why:  "every row is read while nobody writes the table; MariaDB copies it",
			Safe: "ADD CONSTRAINT … CHECK (…) NOT VALID, which holds for new rows; and VALIDATE CONSTRAINT in backfill, which blocks nobody.",
			SafeIn: map[Kind]string{
				MariaDB: "On a new column, write the CHECK into its definition, which is done at once. On others, triggers BEFORE INSERT and UPDATE that SIGNAL hold for new rows.",
			},
			Op: "create_constraint",
		},
		{
			Name: "add-unique", Effect: Blocks, Kinds: postgres(), Phases: always(), Freely: true,
			What: "ADD UNIQUE without USING INDEX, ADD COLUMN … UNIQUE",
			Why:  "an index is built while nobody reads or writes the table",
			Safe: "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … UNIQUE USING INDEX.",
			Op:   "create_constraint (unique)",
		},
		{
			Name: "add-primary-key", Effect: Blocks, Kinds: servers(), Phases: always(), Freely: true,
			What: "ADD PRIMARY KEY without USING INDEX, ADD COLUMN … PRIMARY KEY",
			Why:  "an index is built, or the table, and its columns are read for NULLs, while nobody writes it",
			Safe: "CREATE UNIQUE INDEX CONCURRENTLY in expand; in contract make the columns NOT NULL (see set-not-null), then ADD CONSTRAINT … PRIMARY KEY USING INDEX.",
			SafeIn: map[Kind]string{
				MariaDB: "In contract, when its columns hold no NULL, with ALGORITHM=INPLACE, LOCK=NONE.",
			},
		},
		{
			Name: "add-exclusion", Effect: Blocks, Kinds: postgres(), Phases: always(), Freely: true,
			What: "ADD CONSTRAINT … EXCLUDE",
			Why:  "its index is built while nobody reads or writes the table, and there is no other way to add one",
			Safe: "Create a table that has it, carry rows over by a trigger and a backfill, and use that one from the new release.",
		},
		{
			Name: "validate-in-same-transaction", Effect: Blocks, Kinds: postgres(), Phases: always(),
			What: "VALIDATE CONSTRAINT in the transaction that has locked the table",
			Why:  "the lock that adding the constraint took is kept while every row is read, which is what NOT VALID was to avoid",
			Safe: "Write it as a statement of its own, in the migration's backfill as a rule: it is then run in a transaction of its own.",
		},
		{
			Name: "alter-domain", Effect: Blocks, Kinds: postgres(), Phases: always(), Freely: true,
			What: "ALTER DOMAIN … ADD CONSTRAINT, SET NOT NULL, SET DEFAULT",
			Why:  "every table with a column of the domain is read while nobody writes it, and the release that runs is held to it",
			Safe: "Create another domain, or put a CHECK … NOT VALID on the tables. ADD CONSTRAINT … NOT VALID checks nothing that is there.",
		},
		{
			Name: "new-constraint", Effect: Breaks, Kinds: all(), Phases: early(), Warns: true, Freely: true,
			What: "a constraint or unique index on columns that the release that runs writes",
			Why:  "it holds for what the release that runs writes, too: what the constraint refuses becomes an error there",
			Safe: "Right in expand only if the old release keeps to it already. Else add it in contract.",
			Op:   "create_constraint",
		},
	}
}

// indexes: they are built and dropped.
func indexes() []Rule {
	return []Rule{
		{
			Name: "create-index-blocks", Effect: Blocks, Kinds: postgres(), Phases: always(), Freely: true,
			What: "CREATE INDEX without CONCURRENTLY",
			Why:  "all writers of the table wait until the index is built",
			Safe: "CREATE INDEX CONCURRENTLY.",
			Op:   "create_index",
		},
		{
			Name: "drop-index-blocks", Effect: Blocks, Kinds: postgres(), Phases: always(), Freely: true,
			What: "DROP INDEX without CONCURRENTLY",
			Why:  "it waits for every query on the table to end, and all new ones wait behind it",
			Safe: "DROP INDEX CONCURRENTLY, in contract.",
			Op:   "drop_index",
		},
		{
			Name: "reindex-blocks", Effect: Blocks, Kinds: postgres(), Phases: always(), Freely: true,
			What: "REINDEX without CONCURRENTLY",
			Why:  "writers of the table wait until the index is built anew, and readers that want to use it",
			Safe: "REINDEX … CONCURRENTLY.",
		},
		{
			Name: "concurrently-in-transaction", Effect: Hides, Kinds: postgres(), Phases: always(),
			What: "VACUUM, … CONCURRENTLY in a transaction",
			Why:  "PostgreSQL refuses it there",
			Safe: "CREATE, DROP and REINDEX CONCURRENTLY are known, and run by themselves. Elsewhere say so: -- +goose NO TRANSACTION.",
		},
		{
			Name: "fulltext-index-blocks", Effect: Blocks, Kinds: mariadb(), Phases: always(), Freely: true,
			What: "ADD FULLTEXT or SPATIAL INDEX",
			Why:  "all writers of the table wait until the index is built: InnoDB cannot do it with LOCK=NONE",
			Safe: "Create a table that has it, carry rows over by triggers and a backfill, and search there.",
		},
		{
			Name: "sqlite-index-blocks", Effect: Blocks, Kinds: []Kind{SQLite}, Phases: always(), Warns: true, Freely: true,
			What: "CREATE INDEX, ALTER TABLE … DROP COLUMN",
			Why:  "SQLite has one writer at a time: all others wait while it reads the whole table, and get SQLITE_BUSY when their busy_timeout is over",
			Safe: "There is no other way. See that the writers' busy_timeout is longer than it takes.",
		},
	}
}

// tables: locked or rewritten as a whole.
func tables() []Rule {
	return []Rule{
		{
			Name: "rewrite-table", Effect: Blocks, Kinds: all(), Phases: always(), Freely: true,
			What: "VACUUM FULL, CLUSTER, REPACK, OPTIMIZE TABLE, ENGINE=, ROW_FORMAT=, FORCE, SET LOGGED, SET ACCESS METHOD, VACUUM in SQLite",
			Why:  "the whole table is written anew, and nobody writes it meanwhile",
			Safe: "It is no part of a migration. pg_repack and the like do it while everybody works.",
			SafeIn: map[Kind]string{
				MariaDB: "It is no part of a migration. Where it must be, write ALGORITHM=INPLACE, LOCK=NONE: the server refuses what it cannot do beside others.",
				SQLite:  "It is no part of a migration: do it when the service is stopped.",
			},
		},
		{
			Name: "set-tablespace", Effect: Blocks, Kinds: postgres(), Phases: always(), Freely: true,
			What: "SET TABLESPACE",
			Why:  "the table's files are copied, and nobody reads or writes it meanwhile",
			Safe: "Create a table there, carry rows over by a trigger and a backfill. An index can be built CONCURRENTLY in the other tablespace.",
		},
		{
			Name: "lock-table", Effect: Blocks, Kinds: servers(), Phases: always(), Freely: true,
			What: "LOCK TABLE, LOCK TABLES, FLUSH TABLES WITH READ LOCK",
			Why:  "the release that runs waits for as long as it is held",
			Safe: "Leave it out: each statement takes the locks that it needs, for as long as it is allowed to.",
		},
		{
			Name: "refresh-blocks", Effect: Blocks, Kinds: postgres(), Phases: always(), Freely: true,
			What: "REFRESH MATERIALIZED VIEW without CONCURRENTLY",
			Why:  "nobody reads the view until its query is done",
			Safe: "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index on the view.",
		},
		{
			Name: "detach-partition", Effect: Breaks, Kinds: servers(), Phases: early(), Freely: true,
			What: "DETACH PARTITION, DROP, TRUNCATE, EXCHANGE or REORGANIZE PARTITION",
			Why:  "the partition's rows are gone from the table that the release that runs reads",
			Safe: "Do it in contract.",
			SafeIn: map[Kind]string{
				Postgres: "Do it in contract, with DETACH PARTITION … CONCURRENTLY.",
			},
		},
		{
			Name: "detach-blocks", Effect: Blocks, Kinds: postgres(), Phases: always(), Freely: true,
			What: "DETACH PARTITION without CONCURRENTLY",
			Why:  "it waits for every query on the table to end, and all new ones wait behind it",
			Safe: "DETACH PARTITION … CONCURRENTLY.",
		},
		{
			Name: "attach-partition", Effect: Blocks, Kinds: servers(), Phases: always(), Warns: true, Freely: true,
			What: "ATTACH PARTITION, ADD PARTITION",
			Why:  "every row of what is attached is read under a lock on it, unless a CHECK constraint says already that it fits; and a default partition is read, too",
			Safe: "Add CHECK (…) NOT VALID on what is to be attached and validate it before.",
		},
		{
			Name: "alter-copies", Effect: Blocks, Kinds: mariadb(), Phases: always(), Freely: true,
			What: "ALTER TABLE or CREATE INDEX with ALGORITHM=COPY, LOCK=SHARED or LOCK=EXCLUSIVE",
			Why:  "it asks for a lock that keeps writers out until it is done",
			Safe: "Write ALGORITHM=INPLACE, LOCK=NONE: the server refuses what it cannot do beside others.",
		},
	}
}

// reading: what cannot be judged.
func reading() []Rule {
	return []Rule{
		{
			Name: "unreadable", Effect: Hides, Kinds: all(), Phases: always(),
			What: "a text that cannot be cut into words: a quote, comment or bracket without its end",
			Why:  "what cannot be read cannot be judged",
			Safe: "Mend the statement.",
		},
		{
			Name: "unknown-statement", Effect: Hides, Kinds: all(), Phases: always(),
			What: "a statement, or a part of one, that Segue does not know",
			Why:  "segue does not know what this does to the release that runs",
			Safe: "If you know, say so in front of the statement: -- segue: unsafe unknown-statement WHY.",
		},
		{
			Name: "several-statements", Effect: Hides, Kinds: all(), Phases: always(),
			What: "more than one statement where one is expected",
			Why:  "each is run and recorded by itself; of two in one text, a crash may leave the first done and the record without it",
			Safe: "Divide them, so that each is its own statement.",
		},
		{
			Name: "client-command", Effect: Hides, Kinds: all(), Phases: always(),
			What: "commands of psql, mysql and sqlite3 (\\d, DELIMITER, .mode), COPY … FROM STDIN",
			Why:  "they are understood by that program alone, and no database",
			Safe: "Leave them out. Bodies of routines need no DELIMITER here: put -- +goose StatementBegin and StatementEnd around them.",
		},
		{
			Name: "hidden-effect", Effect: Hides, Kinds: servers(), Phases: always(), Warns: true,
			What: "DO, CALL, EXECUTE, PREPARE, SELECT",
			Why:  "what is run in it cannot be seen here, and none of the other rules is asked",
			Safe: "Write its statements down one by one where that can be done.",
		},
		{
			Name: "unsafe-comment", Effect: Hides, Kinds: all(), Phases: always(),
			What: "a comment that sets a rule aside without naming a rule and saying why",
			Why:  "whoever reads it in a year must be able to see why it was safe",
			Safe: "-- segue: unsafe RULE WHY, in front of the statement.",
		},
	}
}

// advice: nothing breaks today.
func advice() []Rule {
	return []Rule{
		{
			Name: "add-enum-value", Effect: Advice, Kinds: postgres(), Phases: always(), Warns: true, Freely: true,
			What: "ALTER TYPE … ADD VALUE",
			Why:  "no rollback can take it away again, the old release may read a value that it does not know, and without BEFORE or AFTER it sorts last",
			Safe: "Let the release before this one know the value already. Say BEFORE or AFTER.",
		},
		{
			Name: "json-column", Effect: Advice, Kinds: postgres(), Phases: always(), Warns: true,
			What: "a column of type json",
			Why:  "json has no equality: SELECT DISTINCT and UNION over the table's rows fail, also in the release that runs",
			Safe: "Use jsonb.",
		},
		{
			Name: "char-column", Effect: Advice, Kinds: postgres(), Phases: always(), Warns: true,
			What: "a column of type char(n)",
			Why:  "it is filled up with blanks, which some comparisons see and some do not",
			Safe: "Use text, with a CHECK on its length if need be.",
		},
		{
			Name: "varchar-limit", Effect: Advice, Kinds: postgres(), Phases: always(), Warns: true,
			What: "a column of type varchar(n)",
			Why:  "making the limit smaller later reads the whole table under a lock",
			Safe: "Use text, with a CHECK on its length, which can be changed without blocking anybody.",
		},
		{
			Name: "timestamp-without-zone", Effect: Advice, Kinds: postgres(), Phases: always(), Warns: true,
			What: "a column of type timestamp without time zone",
			Why:  "it does not say which moment is meant: two sessions with other time zones write different ones",
			Safe: "Use timestamptz.",
		},
		{
			Name: "int-key", Effect: Advice, Kinds: servers(), Phases: always(), Warns: true,
			What: "a key of 32 or 16 bits: int, smallint, serial",
			Why:  "it ends at 2,147,483,647, and making it longer then is a change of type on the largest table",
			Safe: "Use bigint.",
		},
		{
			Name: "serial-column", Effect: Advice, Kinds: postgres(), Phases: always(), Warns: true,
			What: "a column of type serial",
			Why:  "its sequence has rights and an owner of its own, and inserts may set it without anybody noticing",
			Safe: "Use bigint GENERATED ALWAYS AS IDENTITY.",
		},
		{
			Name: "domain-with-constraint", Effect: Advice, Kinds: postgres(), Phases: always(), Warns: true,
			What: "CREATE DOMAIN with CHECK or NOT NULL",
			Why:  "it cannot be changed later without reading every table that uses it",
			Safe: "Put the CHECK on the tables.",
		},
		{
			Name: "wide-index", Effect: Advice, Kinds: all(), Phases: always(), Warns: true,
			What: "an index, not a unique one, of more than three columns",
			Why:  "it costs every write, and columns behind the third rarely help a query",
			Safe: "Keep the columns that tell most.",
		},
		{
			Name: "long-name", Effect: Hides, Kinds: postgres(), Phases: always(),
			What: "a name of more than 63 bytes",
			Why:  "PostgreSQL cuts it off without a word: it is not the name that you wrote, and may be one that exists",
			Safe: "Find a shorter one.",
		},
	}
}
