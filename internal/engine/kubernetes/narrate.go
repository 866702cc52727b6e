package kubernetes

import (
	"context"
	"sync"
)

// narrate tells of each pod that comes to another state, until it is stopped.
func (s *story) narrate(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var telling sync.WaitGroup
	show, mu := s.show, sync.Mutex{}
	s.show = func(e Event) { // the pods' events come from another goroutine
		mu.Lock()
		defer mu.Unlock()
		show(e)
	}
	telling.Go(func() {
		known := map[string]Pod{}
		_ = s.view.Until(ctx, func(p Picture) (bool, error) { // whoever waits for something hears of the error
			for _, pod := range s.changed(known, p) {
				s.tell(Event{Kind: EventPod, Pod: &pod})
			}
			return false, nil
		})
	})
	return func() { cancel(); telling.Wait() }
}

// changed lists the pods that are not in the state in which they are known, and
// notes it.
func (s *story) changed(known map[string]Pod, p Picture) []Pod {
	var out []Pod
	there := map[string]bool{}
	for _, pod := range p.Pods {
		there[pod.UID] = true
		before, seen := known[pod.UID]
		if seen && before.State == pod.State && before.Why == pod.Why && before.Restarts == pod.Restarts {
			continue
		}
		known[pod.UID] = pod
		if seen || pod.State != Ready { // what was ready before we came is no news
			out = append(out, pod)
		}
	}
	for uid, pod := range known {
		if !there[uid] {
			delete(known, uid)
			if pod.State != Gone {
				pod.State, pod.Why = Gone, ""
				out = append(out, pod)
			}
		}
	}
	return out
}
