package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seguehq/segue/message"
)

// mends are what to do about errors of the server whose reasons contain a word.
var mends = []struct {
	code        int
	word, mend  string
	neverBetter bool // for a message: it is refused
}{
	{amqp.PreconditionFailed, "for exchange", "the topic's name is that of an exchange which another program has made differently; name the topic otherwise, give this service names of its own (?prefix=name), or delete the exchange", true},
	{amqp.PreconditionFailed, "for queue", "the group's queue was made differently, by another program or with another ?queue=; keep to the kind it has, or delete the queue when it is empty", false},
	{amqp.PreconditionFailed, "size", "the server takes no larger messages (max_message_size)", true},
	{amqp.AccessRefused, "Login was refused", "user or password in the URL are not the server's", false},
	{amqp.AccessRefused, "username or password not allowed", "user or password in the URL are not the server's", false},
	{amqp.AccessRefused, "access to", "the user may not do that; who publishes needs the permissions configure and write for the topic, who receives configure, write and read for topic/group, too (rabbitmqctl set_permissions)", false},
	{amqp.NotAllowed, "vhost", "there is no such virtual host, or the user has no permissions in it (rabbitmqctl add_vhost, set_permissions)", false},
	{amqp.ConnectionForced, "", "the server is being stopped, or somebody has closed the connection", false},
	{amqp.ResourceLocked, "", "another connection has the queue for itself alone; delete it", false},
}

// fail words what went wrong.
func (b *Broker) fail(ctx context.Context, doing string, err error) error {
	if errors.Is(err, errClosed) {
		return errClosed
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	advice, refused := mend(err)
	if refused {
		err = fmt.Errorf("%w: %w", message.ErrRefused, err)
	}
	return fmt.Errorf("message: %s: %s: %w%s", b.set.where, doing, err, advice)
}

// mend says what to do about an error, where that is known, and whether no later
// attempt can be better.
func mend(err error) (advice string, refused bool) {
	var e *amqp.Error
	if errors.As(err, &e) {
		for _, m := range mends {
			if e.Code == m.code && strings.Contains(e.Reason, m.word) {
				return "; " + m.mend, m.neverBetter
			}
		}
		return "", false
	}
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "; is the server running, and is this its port?", false
	case errors.As(err, &dns):
		return "; is the host's name right?", false
	}
	return "", false
}
