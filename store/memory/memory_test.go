package memory_test

import (
	"testing"

	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/memory"
	"github.com/seguehq/segue/store/storetest"
)

// plain is a store that compares no values itself.
type plain struct{ store.Store }

func TestPutBelowOnAnyStore(t *testing.T) {
	t.Parallel()
	data := memory.New()
	storetest.Run(t, func(*testing.T) store.Store { return plain{data.Handle()} })
}

func TestStore(t *testing.T) {
	t.Parallel()
	data := memory.New()
	storetest.Run(t, func(*testing.T) store.Store { return data.Handle() })
}
