package servertest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestMariaDBKeepsWhatIsCommittedWhenItIsKilled(t *testing.T) {
	t.Parallel()
	s := MariaDB(t)
	if err := s.mariadb("CREATE TABLE mysql.kept (n int PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	s.Kill(t)
	s.Start(t)
	if err := s.mariadb("INSERT INTO mysql.kept VALUES (1)"); err != nil {
		t.Error(err)
	}
}

func TestMariaDBURLNamesADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	a, b := MariaDBURL(t), MariaDBURL(t)
	if a == b || !strings.HasPrefix(a, "mysql://segue:") {
		t.Errorf("%q and %q: want two databases", a, b)
	}
}

// A server that starts removes the temporary tables that it finds, so that no two may
// have the same folder for them.
func TestMariaDBHasItsOwnTemporaryFiles(t *testing.T) {
	t.Parallel()
	s := MariaDB(t)
	for _, statement := range []string{
		"CREATE TABLE mysql.own (tmpdir text NOT NULL)",
		fmt.Sprintf("INSERT INTO mysql.own SELECT NULLIF(@@tmpdir, '%s')", os.TempDir()), // refused if it is that
	} {
		if err := s.mariadb(statement); err != nil {
			t.Error(err)
		}
	}
}
