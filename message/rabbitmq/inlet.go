package rabbitmq

import (
	"slices"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// An inlet is a channel by which deliveries come in, numbered from 1.
type inlet struct {
	*amqp.Channel
	deliveries <-chan amqp.Delivery

	mu      sync.Mutex
	floor   uint64          // up to which all are settled
	settled map[uint64]bool // that are beyond it
}

// acknowledge says that deliveries are done with: in one word of those below which
// nothing is open.
func (in *inlet) acknowledge(numbers []uint64) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	numbers = in.open(numbers)
	for _, n := range numbers {
		in.settled[n] = true
	}
	in.rise()
	below := 0
	for below < len(numbers) && numbers[below] <= in.floor {
		below++
	}
	if below > 0 {
		if err := in.Ack(numbers[below-1], below > 1); err != nil {
			return err
		}
	}
	for _, n := range numbers[below:] {
		if err := in.Ack(n, false); err != nil {
			return err
		}
	}
	return nil
}

// giveBack has the server deliver them again.
func (in *inlet) giveBack(numbers []uint64) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, n := range in.open(numbers) {
		if err := in.Nack(n, false, true); err != nil {
			return err
		}
		in.settled[n] = true
	}
	in.rise()
	return nil
}

// open are those that are not settled, in order. Of one that is, the server would
// close the channel.
func (in *inlet) open(numbers []uint64) []uint64 {
	slices.Sort(numbers)
	return slices.DeleteFunc(slices.Compact(numbers), func(n uint64) bool { return n <= in.floor || in.settled[n] })
}

func (in *inlet) rise() {
	for in.settled[in.floor+1] {
		in.floor++
		delete(in.settled, in.floor)
	}
}

// leave ends receiving, takes what was already on its way, and closes the channel:
// by that the server gives it back. The server reads what a channel says in order, so
// it has read the acknowledgements before.
func (in *inlet) leave() error {
	if err := in.Cancel(consumer, false); err != nil {
		return err
	}
	for range in.deliveries {
		continue
	}
	return in.Channel.Close()
}
