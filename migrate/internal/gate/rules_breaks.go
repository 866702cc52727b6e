package gate

import "github.com/seguehq/segue/migrate/internal/script"

// dropping: what is taken away from the release that runs.
func dropping() []Rule {
	return []Rule{
		{
			Name: "drop-column", Effect: Breaks, Kinds: all(), Phases: early(), Freely: true,
			What: "ALTER TABLE … DROP COLUMN",
			Why:  "the release that runs reads and writes the column, and gets errors from now on; a rollback would find its values gone",
			Safe: "Drop it in contract, when no instance of the old release is left. If it is NOT NULL without a default, take that off in expand, so that the new release need not write it.",
			Op:   "drop_column",
		},
		{
			Name: "drop-table", Effect: Breaks, Kinds: all(), Phases: early(), Freely: true,
			What: "DROP TABLE, CREATE OR REPLACE TABLE",
			Why:  "the release that runs uses the table, and a rollback would find its rows gone",
			Safe: "Drop it in contract. To replace a table, create the new one under another name.",
			Op:   "drop_table",
		},
		{
			Name: "drop-view", Effect: Breaks, Kinds: all(), Phases: early(), Freely: true,
			What: "DROP VIEW, DROP MATERIALIZED VIEW",
			Why:  "the release that runs may read the view",
			Safe: "Create the new view under another name in expand, and drop the old one in contract.",
		},
		{
			Name: "drop-function", Effect: Breaks, Kinds: servers(), Phases: early(), Freely: true,
			What: "DROP FUNCTION, PROCEDURE, ROUTINE, AGGREGATE, PACKAGE",
			Why:  "the release that runs may call the routine, or a trigger or default of its tables may",
			Safe: "Create the new routine under another name or with other parameters in expand, and drop the old one in contract.",
		},
		{
			Name: "drop-type", Effect: Breaks, Kinds: postgres(), Phases: early(), Freely: true,
			What: "DROP TYPE, DROP DOMAIN",
			Why:  "the release that runs may cast to the type or have it among its parameters",
			Safe: "Drop it in contract.",
		},
		{
			Name: "drop-constraint", Effect: Breaks, Kinds: servers(), Phases: early(), Freely: true,
			What: "ALTER TABLE … DROP CONSTRAINT, FOREIGN KEY, CHECK, PRIMARY KEY",
			Why:  "the release that runs relies on it: ON CONFLICT needs a unique constraint, deletions cascade along a foreign key; and rows that come in without it may be ones that it cannot read",
			Safe: "Drop it in contract, and let the release after that one write what it refused. If the old release can live with such rows, say so in front of the statement.",
			Op:   "drop_constraint",
		},
		{
			Name: "drop-index", Effect: Breaks, Kinds: all(), Phases: early(), Freely: true,
			What: "DROP INDEX, ALTER TABLE … DROP INDEX",
			Why:  "queries of the release that runs may need it to be quick, and ON CONFLICT needs a unique one",
			Safe: "Drop it in contract.",
			SafeIn: map[Kind]string{
				Postgres: "Drop it in contract, with DROP INDEX CONCURRENTLY.",
			},
		},
		{
			Name: "drop-trigger", Effect: Breaks, Kinds: all(), Phases: early(), Freely: true,
			What: "DROP TRIGGER, RULE, POLICY, EVENT",
			Why:  "the release that runs relies on what it does",
			Safe: "Drop it in contract.",
		},
		{
			Name: "drop-object", Effect: Breaks, Kinds: servers(), Phases: early(), Freely: true,
			What: "DROP SEQUENCE, EXTENSION, OPERATOR, COLLATION, CAST, STATISTICS and others",
			Why:  "the release that runs may use it",
			Safe: "Drop it in contract.",
		},
		{
			Name: "drop-schema", Effect: Loses, Kinds: servers(), Phases: always(), Freely: true,
			What: "DROP SCHEMA, DROP DATABASE",
			Why:  "everything in it is gone at once, whoever uses it, and nothing lists what that was",
			Safe: "Drop what is in it one by one in contract; then set this rule aside for the empty schema.",
		},
		{
			Name: "drop-cascade", Effect: Loses, Kinds: postgres(), Phases: always(),
			What: "DROP … CASCADE",
			Why:  "it also drops whatever depends on it, which nobody has listed: views, foreign keys and defaults of tables that are in use",
			Safe: "Name what depends on it, and drop each by a statement of its own in contract.",
		},
		{
			Name: "drop-default", Effect: Breaks, Kinds: servers(), Phases: early(),
			What: "ALTER COLUMN … DROP DEFAULT, DROP IDENTITY, DROP EXPRESSION",
			Why:  "inserts of the release that runs leave the column out and rely on the default: they fail, or write NULL",
			Safe: "Drop it in contract.",
		},
		{
			Name: "drop-not-null", Effect: Breaks, Kinds: postgres(), Phases: early(), Warns: true, Freely: true,
			What: "ALTER COLUMN … DROP NOT NULL",
			Why:  "from now on the release that runs may read NULL where it never did, as soon as the new one writes it",
			Safe: "It is right in expand if only the new release stops writing the column; then see that the old one can read NULL, or give the column a default instead.",
			Op:   "alter_column",
		},
	}
}

// renaming: there is no moment at which two releases see both names.
func renaming() []Rule {
	return []Rule{
		{
			Name: "rename-column", Effect: Breaks, Kinds: all(), Phases: always(), Freely: true,
			What: "ALTER TABLE … RENAME COLUMN, CHANGE with another name",
			Why:  "whichever release does not know the name that it has then gets errors: the old one in expand, the new one in contract",
			Safe: "Expand: add the column under its new name, and a trigger that carries writes over both ways. Backfill: copy the old values. Contract: drop the trigger and the old column.",
			Op:   "alter_column (name)",
		},
		{
			Name: "rename-table", Effect: Breaks, Kinds: all(), Phases: always(), Freely: true,
			What: "ALTER TABLE or VIEW … RENAME TO, RENAME TABLE, SET SCHEMA",
			Why:  "whichever release does not know the name that it has then gets errors: the old one in expand, the new one in contract",
			Safe: "Expand: create a view of the new name over the table; a plain one can be written through. Contract: drop the view and give its name to the table, in one transaction.",
			SafeIn: map[Kind]string{
				MariaDB: "Expand: create a view of the new name over the table; a plain one can be written through. Contract: RENAME TABLE view TO old_view, old TO view, which is one moment; then drop the view.",
			},
			Op: "rename_table",
		},
		{
			Name: "rename-schema", Effect: Breaks, Kinds: postgres(), Phases: always(), Freely: true,
			What: "ALTER SCHEMA … RENAME, ALTER DATABASE … RENAME",
			Why:  "every statement and search_path that names it fails",
			Safe: "Create the new schema with views over the old one's tables.",
		},
		{
			Name: "rename-enum-value", Effect: Breaks, Kinds: postgres(), Phases: always(), Freely: true,
			What: "ALTER TYPE … RENAME VALUE",
			Why:  "the value that one of the releases writes and compares with is no longer known",
			Safe: "Add the new value in a change of its own, let the releases read both and write the new one, and backfill.",
		},
		{
			Name: "rename-object", Effect: Breaks, Kinds: postgres(), Phases: always(), Freely: true,
			What: "ALTER FUNCTION, TYPE, SEQUENCE, CONSTRAINT, TRIGGER, … RENAME TO or SET SCHEMA",
			Why:  "statements that use the old name fail: calls, casts, nextval, ON CONFLICT ON CONSTRAINT",
			Safe: "Create it again under the new name in expand, and drop the old one in contract.",
			Op:   "rename_constraint",
		},
	}
}

// replacing: the same name means something else from one moment to the next.
func replacing() []Rule {
	return []Rule{
		{
			Name: "replace-function", Effect: Breaks, Kinds: servers(), Phases: early(), Freely: true,
			What: "CREATE OR REPLACE FUNCTION or PROCEDURE, ALTER FUNCTION, ALTER PROCEDURE",
			Why:  "the release that runs calls the routine and gets the new body; after a rollback the old body is nowhere",
			Safe: "Create it under another name or with other parameters in expand, call that from the new release, and drop the old one in contract.",
		},
		{
			Name: "replace-view", Effect: Breaks, Kinds: servers(), Phases: early(), Freely: true,
			What: "CREATE OR REPLACE VIEW, ALTER VIEW",
			Why:  "the release that runs reads the view and gets other rows or columns; after a rollback the old definition is nowhere",
			Safe: "Create the new view under another name in expand, and drop the old one in contract.",
		},
		{
			Name: "replace-trigger", Effect: Breaks, Kinds: servers(), Phases: early(), Freely: true,
			What: "CREATE OR REPLACE TRIGGER or EVENT, ALTER TRIGGER, EVENT or POLICY",
			Why:  "writes of the release that runs go through the new one; after a rollback the old one is nowhere",
			Safe: "Create one of another name that does what is new, and drop the old one in contract.",
		},
		{
			Name: "add-trigger", Effect: Breaks, Kinds: all(), Phases: early(), Warns: true, Freely: true,
			What: "CREATE TRIGGER on a table in use",
			Why:  "every write of the release that runs goes through it: when it fails, so do they",
			Safe: "Right where it carries values over between old and new columns; let it change nothing that the old release reads, and let no row make it fail.",
		},
		{
			Name: "create-rule", Effect: Breaks, Kinds: postgres(), Phases: always(), Freely: true,
			What: "CREATE RULE",
			Why:  "it rewrites the queries of the release that runs, with surprises (arguments that are evaluated twice, RETURNING that fails)",
			Safe: "Use a trigger, or a view.",
		},
		{
			Name: "disable-trigger", Effect: Breaks, Kinds: postgres(), Phases: always(), Freely: true,
			What: "ALTER TABLE … DISABLE or ENABLE TRIGGER or RULE",
			Why:  "writes of the release that runs are not carried over or checked while it is off; foreign keys are triggers, too",
			Safe: "Let the trigger itself tell when it has nothing to do, by a setting of the one transaction.",
		},
	}
}

// access: who may do what.
func access() []Rule {
	return []Rule{
		{
			Name: "revoke", Effect: Breaks, Kinds: servers(), Phases: early(), Freely: true,
			What: "REVOKE",
			Why:  "the release that runs may need the right",
			Safe: "Revoke it in contract.",
		},
		{
			Name: "alter-role", Effect: Breaks, Kinds: servers(), Phases: always(),
			What: "ALTER or DROP ROLE, USER, GROUP, DATABASE, SYSTEM; SET PASSWORD; DROP OWNED, REASSIGN OWNED",
			Why:  "it reaches beyond this database's tables, to connections of every release; and a password in a migration is one that everybody reads",
			Safe: "Do it by hand or by the tool that makes your servers, not in a migration.",
		},
		{
			Name: "change-owner", Effect: Breaks, Kinds: postgres(), Phases: early(), Freely: true,
			What: "… OWNER TO",
			Why:  "the old owner's rights come from owning it; the release that runs may be using them",
			Safe: "Grant the rights that are needed in expand, and change the owner in contract.",
		},
		{
			Name: "row-level-security", Effect: Breaks, Kinds: postgres(), Phases: early(), Freely: true,
			What: "ALTER TABLE … ROW LEVEL SECURITY, CREATE POLICY",
			Why:  "rows that no policy allows vanish from what the release that runs sees, without an error",
			Safe: "Create the policies and enable it in contract; both releases must set what the policies ask for before.",
		},
		{
			Name: "session-setting", Effect: Hides, Kinds: all(), Phases: always(),
			What: "SET, RESET, USE, PRAGMA, set_config, SET LOCAL search_path or lock_timeout",
			Why:  "it goes on to hold for the statements after it, or on a connection of the pool for others; lock_timeout and search_path are the runner's",
			Safe: "Name schemas in the statements themselves.",
			SafeIn: map[Kind]string{
				Postgres: "Use SET LOCAL for what a statement needs, and name schemas in the statements themselves.",
				MariaDB:  "Use SET STATEMENT … FOR …, which holds for the one statement.",
			},
		},
		{
			Name: "ends-transaction", Effect: Hides, Kinds: all(), Phases: always(),
			What: "BEGIN, START TRANSACTION, COMMIT, ROLLBACK, SAVEPOINT, …",
			Why:  "a statement and the record that it is done are committed together; whoever commits in between has it run twice after a crash",
			Safe: "Leave it out: the runner makes the transactions.",
		},
		{
			Name: "restart-sequence", Effect: Breaks, Kinds: servers(), Phases: always(), Freely: true,
			What: "ALTER SEQUENCE, RESTART, setval",
			Why:  "the release that runs takes numbers from it at the same time: it may be given some that are taken",
			Safe: "Leave a gap: set it far ahead of what can be taken meanwhile, and set this rule aside.",
		},
	}
}

// data: rows that are changed, all at once.
func data() []Rule {
	backfill := "Move it to the migration's backfill, with {{range}} in its WHERE: it is then done in small transactions, with pauses, and goes on after a crash."
	return []Rule{
		{
			Name: "change-rows-at-once", Effect: Blocks, Kinds: all(), Phases: only(script.Expand, script.Contract), Freely: true,
			What: "UPDATE, DELETE, REPLACE, MERGE, INSERT … SELECT outside of backfill",
			Why:  "it holds the locks of all the rows that it touches until it is done, and the release that runs waits for them",
			Safe: backfill,
		},
		{
			Name: "backfill-without-range", Effect: Blocks, Kinds: all(), Phases: only(script.Backfill),
			What: "UPDATE, DELETE or INSERT … SELECT in backfill without {{range}}",
			Why:  "it is run in one transaction over the whole table, and the release that runs waits for its locks",
			Safe: "Write WHERE {{range}} AND …: the runner puts the condition for one stretch of the key there.",
		},
		{
			Name: "delete-rows", Effect: Loses, Kinds: all(), Phases: early(), Warns: true, Freely: true,
			What: "DELETE",
			Why:  "the release that runs may still read the rows, and a rollback does not bring them back",
			Safe: "Delete them in contract, or let the new release pass over them.",
		},
		{
			Name: "truncate", Effect: Loses, Kinds: servers(), Phases: always(), Freely: true,
			What: "TRUNCATE",
			Why:  "rows that a release uses are gone, and a rollback does not bring them back; the table is locked against readers, too, and CASCADE empties others with it",
			Safe: "Let the new release use a table of its own, and drop the old one in contract.",
		},
		{
			Name: "copy-table", Effect: Loses, Kinds: all(), Phases: always(),
			What: "CREATE TABLE … AS SELECT, SELECT INTO",
			Why:  "what the release that runs writes after the copy was begun is missing in it",
			Safe: "Expand: create the table empty, and a trigger that carries writes over. Backfill: INSERT … SELECT with {{range}}.",
		},
		{
			Name: "alter-ignore", Effect: Loses, Kinds: mariadb(), Phases: always(), Freely: true,
			What: "ALTER IGNORE TABLE",
			Why:  "rows that break a new key are deleted without a word, and the table is copied under a lock",
			Safe: "Find and mend the duplicates in backfill, then add the key without IGNORE.",
		},
	}
}
