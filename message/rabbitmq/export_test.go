package rabbitmq

import "github.com/seguehq/segue/message"

// Queue is what a receiver takes from.
func Queue(r message.Receiver) string { return r.(*receiver).queue }
