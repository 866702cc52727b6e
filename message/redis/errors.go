package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/internal/redisdial"
	"github.com/seguehq/segue/message"
)

const replica = "this is a replica, to which nothing can be written; use the URL of the primary"

const rights = "the user may not do that; messages need ~segue:message:* +@read +@write +@stream +@scripting +@connection +info +client (ACL SETUSER), with their prefix for segue"

var errAnswer = errors.New("the server has answered something else than was asked for; is it Redis 6.2 or newer?")

// mends are what to do about answers of the server that have a word in them.
var mends = []struct{ word, mend string }{
	{"NOAUTH", "the server wants a password; write redis://user:password@host"},
	{"WRONGPASS", "user or password in the URL are not the server's; without a user of its own the user is default, or left out: redis://:password@host"},
	{"called without any password configured", "the URL has a password and the server wants none; leave it out"},
	{"NOPERM", rights},
	{"executing the script can't", rights},
	{"DB index", "the server has fewer databases than the number at the end of the URL; use /0"},
	{"SELECT is not allowed in cluster", "a cluster has only database 0"},
	{"OOM", "the server's memory is full; raise maxmemory, or see which group does not acknowledge (XINFO GROUPS)"},
	{"READONLY", replica},
	{"LOADING", "the server is reading its data; try again"},
	{"MISCONF", "the server cannot write to its disk and refuses to go on; see its log"},
	{"unknown command", "Redis 6.2 or newer is needed"},
}

// wrongType is of a topic whose name has something else: it never gets better.
const wrongType = "WRONGTYPE"

// noGroup is whether the server does not know the group, or the stream.
func noGroup(err error) bool {
	answer, ok := rueidis.IsRedisErr(err)
	if !ok {
		return false
	}
	text := answer.Error()
	return strings.Contains(text, "NOGROUP") || strings.Contains(text, "requires the key to exist") || strings.Contains(text, "no such key")
}

// fail words what went wrong, nil if nothing did.
func (b *Broker) fail(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if b.closed.Load() {
		return errClosed
	}
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer in time (%w); is this Redis, and does it speak TLS if and only if the URL says rediss?", err)
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	advice := mend(err)
	if answer, ok := rueidis.IsRedisErr(err); ok && strings.Contains(answer.Error(), wrongType) {
		err, advice = fmt.Errorf("%w: %w", message.ErrRefused, err), "; another program uses the topic's name; give messages names of their own: ?prefix=name"
	}
	return fmt.Errorf("message: %s: %s: %w%s", b.set.where, doing, err, advice)
}

// mend says what to do about an error, where that is known.
func mend(err error) string {
	if answer, ok := rueidis.IsRedisErr(err); ok {
		for _, m := range mends {
			if strings.Contains(answer.Error(), m.word) {
				return "; " + m.mend
			}
		}
		return ""
	}
	return redisdial.Mend(err)
}
