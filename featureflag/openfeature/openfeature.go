// Package openfeature is package featureflag's provider for OpenFeature's Go SDK.
//
// Flags are evaluated in process, from memory, as package featureflag does; the SDK
// adds its hooks, events and types, and some allocations.
package openfeature

import (
	"context"
	"sync"

	"github.com/open-feature/go-sdk/openfeature"
	"github.com/seguehq/segue/featureflag"
)

// Flags are what a Provider evaluates; *featureflag.Flags are such.
type Flags interface {
	// Ready waits until the flags were read once.
	Ready(ctx context.Context) error
	// Set is what is in force now.
	Set() *featureflag.Set
	// Changed is closed when Set may give another one than at this call.
	Changed() <-chan struct{}
}

// A Provider gives the SDK our flags. It becomes ready when they were read once, and
// tells PROVIDER_CONFIGURATION_CHANGED, with the keys, when they are others. It may be used
// concurrently.
type Provider struct {
	flags  Flags
	events chan openfeature.Event

	mu   sync.Mutex
	stop func() // ends the watch and waits for its end; nil: there is none
}

var (
	_ openfeature.FeatureProvider          = (*Provider)(nil)
	_ openfeature.ContextAwareStateHandler = (*Provider)(nil)
	_ openfeature.EventHandler             = (*Provider)(nil)
)

// New makes a Provider of flags, whose Run is the caller's to call. The SDK starts and
// stops the Provider.
func New(flags Flags) *Provider {
	return &Provider{flags: flags, events: make(chan openfeature.Event)}
}

// Metadata names the provider.
func (p *Provider) Metadata() openfeature.Metadata { return openfeature.Metadata{Name: "segue"} }

// Hooks of the provider: it has none.
func (p *Provider) Hooks() []openfeature.Hook { return nil }

// EventChannel is where the SDK hears of changes.
func (p *Provider) EventChannel() <-chan openfeature.Event { return p.events }

// Init is InitWithContext without an end to its patience but Shutdown.
func (p *Provider) Init(c openfeature.EvaluationContext) error {
	return p.InitWithContext(context.Background(), c)
}

// InitWithContext waits until the flags were read once, and watches them from then
// on until Shutdown.
func (p *Provider) InitWithContext(ctx context.Context, _ openfeature.EvaluationContext) error {
	p.Shutdown()
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	p.mu.Lock()
	p.stop = func() { cancel(); <-ended }
	p.mu.Unlock()

	waiting, done := context.WithCancel(ctx)
	defer done()
	defer context.AfterFunc(life, done)()
	if err := p.flags.Ready(waiting); err != nil {
		cancel()
		close(ended)
		return err
	}
	// In this order: a change between the two is told again and not missed.
	changed := p.flags.Changed()
	set := p.flags.Set()
	go func() {
		defer close(ended)
		p.watch(life, set, changed)
	}()
	return nil
}

func (p *Provider) watch(ctx context.Context, told *featureflag.Set, changed <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		changed = p.flags.Changed()
		now := p.flags.Set()
		keys := now.Difference(told)
		if told = now; len(keys) > 0 && !p.tell(ctx, keys) {
			return
		}
	}
}

func (p *Provider) tell(ctx context.Context, keys []string) bool {
	e := openfeature.Event{ProviderName: p.Metadata().Name, EventType: openfeature.ProviderConfigChange,
		ProviderEventDetails: openfeature.ProviderEventDetails{Message: "flags have changed", FlagChanges: keys}}
	select {
	case p.events <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// Shutdown ends the watch; an Init that waits gives up. The flags go on, they are the caller's.
func (p *Provider) Shutdown() {
	p.mu.Lock()
	stop := p.stop
	p.stop = nil
	p.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// ShutdownWithContext is Shutdown, which does not take long.
func (p *Provider) ShutdownWithContext(context.Context) error {
	p.Shutdown()
	return nil
}
