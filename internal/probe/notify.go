package probe

import (
	"context"
	"errors"
)

// askNotify waits until the instance has said READY=1, which it says once and
// for all: whoever asks later has its yes at once.
func askNotify(ctx context.Context, said <-chan struct{}) error {
	if said == nil {
		return errors.New("nobody listens to what the instance says")
	}
	select {
	case <-said:
		return nil
	default:
	}
	select {
	case <-said:
		return nil
	case <-ctx.Done():
		return answer{errors.New("it has not said READY=1 yet (sd_notify)")}
	}
}
