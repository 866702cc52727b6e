package redis

import (
	"strings"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/internal/redisdial"
)

const replica = "this is a replica, whose answers may be old; use the URL of the primary"

const rights = "the user may not do that; a store needs ~{segue}* &{segue}:* +@read +@write +@scripting +@pubsub +@connection +time +info (ACL SETUSER), with its prefix for segue"

// mends are what to do about answers of the server that begin so, after ERR if
// they begin with that.
var mends = []struct{ begins, mend string }{
	{"NOAUTH", "the server wants a password; write redis://user:password@host"},
	{"WRONGPASS", "user or password in the URL are not the server's; without a user of its own the user is default, or left out: redis://:password@host"},
	{"AUTH", "the URL has a password and the server wants none; leave it out"},
	{"NOPERM", rights},
	{"The user executing the script can't", rights},
	{"DB index", "the server has fewer databases than the number at the end of the URL; use /0"},
	{"invalid DB index", "the URL ends in the number of a database; use /0"},
	{"SELECT is not allowed in cluster", "a cluster has only database 0"},
	{"OOM", "the server's memory is full; raise maxmemory, or give entries a time to live"},
	{"READONLY", replica},
	{"LOADING", "the server is reading its data; try again"},
	{"MISCONF", "the server cannot write to its disk and refuses to go on; see its log"},
	{"WRONGTYPE", "another program uses this key; give the store a prefix of its own: ?prefix=name"},
}

// mend says what to do about an error, where that is known.
func mend(err error) string {
	if answer, ok := rueidis.IsRedisErr(err); ok {
		for _, m := range mends {
			if strings.HasPrefix(answer.Error(), m.begins) {
				return "; " + m.mend
			}
		}
		return ""
	}
	return redisdial.Mend(err)
}
