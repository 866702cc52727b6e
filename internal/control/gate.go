package control

import (
	"context"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// A Gate is what a deploy or restart must pass: windows, freezes and locks.
type Gate interface {
	// Pass returns nil when the service may be deployed or restarted. Where it is
	// to wait for that, tell is called with what is waited for.
	Pass(ctx context.Context, r PassRequest, tell func(string) error) error
	// Freeze refuses deploys until a time; Unfreeze ends that.
	Freeze(ctx context.Context, r FreezeRequest) (Freeze, error)
	Unfreeze(ctx context.Context, r Request) (Unfrozen, error)
	// Lock holds a lock until ctx ends, and tells of it; see LockEvent. An agent
	// that ends meanwhile keeps it for LockLease, in which it is to be called
	// again with the token.
	Lock(ctx context.Context, r LockRequest, tell func(LockEvent) error) error
	// Unlock ends a lock, by its token or, for anybody, by what it locks.
	Unlock(ctx context.Context, r UnlockRequest) (Unlocked, error)
	// Gates tells what holds up deploys now.
	Gates(ctx context.Context) (Gates, error)
}

// LockLease is how long a lock is kept whose holder is not connected, since the
// agent was replaced.
const LockLease = 10 * time.Second

// A Permit is what lets a change through that would be refused.
type Permit struct {
	Now   bool   `json:"now,omitempty"`   // against windows and freezes; wants a reason
	Token string `json:"token,omitempty"` // of the lock under which it is asked
}

// PassRequest asks whether a service may be deployed or restarted.
type PassRequest struct {
	Permit
	Service    string           `json:"service"`
	Calendar   *deploy.Calendar `json:"calendar,omitempty"` // nil: that of its last deploy
	Who        string           `json:"who"`
	Why        string           `json:"why,omitempty"`
	Wait       bool             `json:"wait,omitempty"`        // for the end of locks
	WaitWindow bool             `json:"wait_window,omitempty"` // for windows, and the end of freezes
}

// Closed says why deploys are refused, and when they are not any more.
type Closed struct {
	Why   string    `json:"why"`
	Until time.Time `json:"until,omitzero"` // zero: nobody can tell
}

// FreezeRequest asks for deploys to be refused.
type FreezeRequest struct {
	Service string    `json:"service,omitempty"` // "" all
	Until   time.Time `json:"until,omitzero"`    // zero: until Unfreeze
	Who     string    `json:"who"`
	Why     string    `json:"why"`
}

// A Freeze is one by command that is in force.
type Freeze struct {
	Service string    `json:"service,omitempty"` // "" all
	Began   time.Time `json:"began"`
	Until   time.Time `json:"until,omitzero"` // zero: until it is ended
	Who     string    `json:"who"`
	Why     string    `json:"why"`
}

// Unfrozen answers Unfreeze.
type Unfrozen struct {
	Freeze
	Nothing bool `json:"nothing,omitempty"` // there was none
}

// LockRequest asks for a lock, or with a token to go on holding it.
type LockRequest struct {
	Service string `json:"service,omitempty"` // "" all
	Who     string `json:"who"`
	Why     string `json:"why"`
	Wait    bool   `json:"wait,omitempty"` // in turn, for other locks and for rollouts under way
	Token   string `json:"token,omitempty"`
}

// A Lock refuses deploys and restarts of others.
type Lock struct {
	Service string    `json:"service,omitempty"` // "" all
	Began   time.Time `json:"began"`
	Who     string    `json:"who"`
	Why     string    `json:"why"`
}

// A LockEvent is one thing that happens to who asks for a lock.
type LockEvent struct {
	Token string `json:"token,omitempty"` // it is held from now on
	Note  string `json:"note,omitempty"`  // what is waited for
}

// UnlockRequest ends a lock.
type UnlockRequest struct {
	Service string `json:"service,omitempty"` // without a token: of what is locked; "" all
	Token   string `json:"token,omitempty"`   // the holder's own
	Who     string `json:"who"`
	Why     string `json:"why,omitempty"`
}

// Unlocked answers Unlock.
type Unlocked struct {
	Lock
	Nothing bool `json:"nothing,omitempty"` // there was none
}

// Gates is what holds up deploys.
type Gates struct {
	Freezes  []Freeze          `json:"freezes"`  // by command
	Locks    []Lock            `json:"locks"`    // held
	Waiting  []Waiting         `json:"waiting"`  // in order
	Services map[string]Closed `json:"services"` // which may not be deployed now, by windows or freezes
}

// Waiting tells of who waits for a lock, or to deploy; Began is since when.
type Waiting struct {
	Lock
	ToDeploy bool `json:"to_deploy,omitempty"` // not for a lock
}

func (c *Client) Pass(ctx context.Context, r PassRequest, tell func(string) error) error {
	return tellAll(ctx, c, "/v1/pass", r, tell)
}

func (c *Client) Freeze(ctx context.Context, r FreezeRequest) (x Freeze, err error) {
	return x, c.post(ctx, "/v1/freeze", r, &x)
}

func (c *Client) Unfreeze(ctx context.Context, r Request) (x Unfrozen, err error) {
	return x, c.post(ctx, "/v1/unfreeze", r, &x)
}

func (c *Client) Lock(ctx context.Context, r LockRequest, tell func(LockEvent) error) error {
	return tellAll(ctx, c, "/v1/lock", r, tell)
}

func (c *Client) Unlock(ctx context.Context, r UnlockRequest) (x Unlocked, err error) {
	return x, c.post(ctx, "/v1/unlock", r, &x)
}

func (c *Client) Gates(ctx context.Context) (x Gates, err error) {
	return x, c.get(ctx, "/v1/gates", &x)
}
