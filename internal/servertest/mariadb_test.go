package servertest

import (
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
