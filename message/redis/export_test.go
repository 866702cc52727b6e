package redis

import (
	"testing"

	"github.com/seguehq/segue/message"
)

// Tidy does what every process does every few seconds.
func Tidy(t testing.TB, b *Broker, topic string) {
	t.Helper()
	if err := b.tidyTopic(topic); err != nil {
		t.Fatal(err)
	}
}

// EntryID is where a delivery is in its stream.
func EntryID(d message.Delivery) string { return d.Tag.(tag).id }
