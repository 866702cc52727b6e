package servertest

import (
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/memory"
)

// Memory returns what opens handles on one empty store in memory: for tests whose
// time is that of testing/synctest, which a real server knows nothing of. Whoever
// opens a handle closes it.
func Memory() (open func() store.Store) {
	data := memory.New()
	return func() store.Store { return data.Handle() }
}
