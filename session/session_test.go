package session_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/session"
	"github.com/seguehq/segue/store"
)

// A browser keeps the cookie that it was last told.
type browser struct {
	t        *testing.T
	store    *counter
	sessions *session.Manager
	cookie   *http.Cookie
}

// TestOnEveryStore is what the package promises on whatever driver.
func TestOnEveryStore(t *testing.T) {
	t.Parallel()
	promises := map[string]func(t *testing.T, b *browser){
		"values come back with their type":                   valuesComeBackWithTheirType,
		"removing ways":                                      removingWays,
		"status":                                             status,
		"store is asked no more than promised":               storeIsAskedNoMoreThanPromised,
		"unknown token is not adopted":                       unknownTokenIsNotAdopted,
		"store has no token":                                 storeHasNoToken,
		"managers do not take each others tokens":            managersDoNotTakeEachOthersTokens,
		"iterate sees all sessions":                          iterateSeesAllSessions,
		"without load and save it panics":                    withoutLoadAndSaveItPanics,
		"parallel writes of different values all win":        parallelWritesOfDifferentValuesAllWin,
		"last writer of a value wins":                        lastWriterOfAValueWins,
		"parallel updates all count":                         parallelUpdatesAllCount,
		"clearing leaves what comes after":                   clearingLeavesWhatComesAfter,
		"destroyed session does not rise":                    destroyedSessionDoesNotRise,
		"destroy beats a write that came first":              destroyBeatsAWriteThatCameFirst,
		"put after destroy makes another":                    putAfterDestroyMakesAnother,
		"renewal keeps the writes of requests under way":     renewalKeepsTheWritesOfRequestsUnderWay,
		"writes before the renewal is saved are taken along": writesBeforeTheRenewalIsSavedAreTakenAlong,
		"old token does not give the new rights":             oldTokenDoesNotGiveTheNewRights,
		"two renewals make two sessions":                     twoRenewalsMakeTwoSessions,
		"renewals in a row are followed":                     renewalsInARowAreFollowed,
		"logout with the old token ends the session":         logoutWithTheOldTokenEndsTheSession,
		"without grace the old token is dead":                withoutGraceTheOldTokenIsDead,
		"failed update changes nothing":                      failedUpdateChangesNothing,
		"older release keeps fields that it does not know":   olderReleaseKeepsFieldsThatItDoesNotKnow,
		"versions lie beside each other":                     versionsLieBesideEachOther,
		"unreadable value is not written over":               unreadableValueIsNotWrittenOver,
		"unreadable value fails an update that meets it":     unreadableValueFailsAnUpdateThatMeetsIt,
		"what a newer release keeps of the session is kept":  whatANewerReleaseKeepsOfTheSessionIsKept,
		"newer format is not touched":                        newerFormatIsNotTouched,
	}
	servertest.EachStore(t, func(t *testing.T, open func(*testing.T) store.Store) {
		s := open(t)
		for name, hold := range promises {
			t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
				t.Parallel()
				b := newBrowser(t, s)
				b.sessions.Cookie.Name = "sid" + rand.Text()
				hold(t, b)
			})
		}
	})
}

func newBrowser(t *testing.T, s store.Store) *browser {
	c := &counter{Store: s}
	return &browser{t: t, store: c, sessions: session.New(c)}
}

// another browser of the same service.
func (b *browser) another() *browser {
	return &browser{t: b.t, store: b.store, sessions: b.sessions}
}

// cookieNamed is a cookie as the service would set it, with a value of the
// client's choice.
func (b *browser) cookieNamed(value string) *http.Cookie {
	return &http.Cookie{Name: "__Host-" + b.sessions.Cookie.Name, Value: value}
}

// request is one request of the browser, which it answers with what it got.
func (b *browser) request(handle func(w http.ResponseWriter, r *http.Request)) *http.Response {
	b.t.Helper()
	response := b.begin(handle)
	b.take(response)
	return response
}

// begin is request without the browser's taking notice of the response.
func (b *browser) begin(handle func(w http.ResponseWriter, r *http.Request)) *http.Response {
	r := httptest.NewRequest("GET", "https://shop.example/", nil)
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	w := httptest.NewRecorder()
	b.sessions.LoadAndSave(http.HandlerFunc(handle)).ServeHTTP(w, r)
	return w.Result()
}

// do is a request that does one thing with its session.
func (b *browser) do(fn func(ctx context.Context)) *http.Response {
	b.t.Helper()
	return b.request(func(_ http.ResponseWriter, r *http.Request) { fn(r.Context()) })
}

func (b *browser) take(r *http.Response) {
	b.t.Helper()
	for _, c := range r.Cookies() {
		if b.cookie = c; c.MaxAge < 0 {
			b.cookie = nil
		}
	}
}

// sees asks for a value, by a request of its own.
func (b *browser) sees(name, want string) {
	b.t.Helper()
	b.do(func(ctx context.Context) {
		if got := b.sessions.GetString(ctx, name); got != want {
			b.t.Errorf("%s is %q, want %q", name, got, want)
		}
	})
}

func (b *browser) put(name, value string) *http.Response {
	b.t.Helper()
	return b.do(func(ctx context.Context) { b.sessions.Put(ctx, name, value) })
}

// A pending request has read its session, and waits to be finished.
type pending struct {
	b      *browser
	finish chan struct{}
	result chan *http.Response
}

// start begins a request that does fn after it has been told to finish.
func (b *browser) start(fn func(ctx context.Context)) *pending {
	p := &pending{b, make(chan struct{}), make(chan *http.Response, 1)}
	loaded := make(chan struct{})
	go func() {
		p.result <- b.begin(func(_ http.ResponseWriter, r *http.Request) {
			close(loaded)
			<-p.finish
			fn(r.Context())
		})
	}()
	<-loaded
	return p
}

// end lets it finish, without the browser's taking notice.
func (p *pending) end() *http.Response {
	close(p.finish)
	return <-p.result
}

// A counter counts what is asked of a store, and can fail.
type counter struct {
	store.Store
	reads, writes atomic.Int64
	fail          func(op string) error
}

func (c *counter) Get(ctx context.Context, key string) (store.Entry, error) {
	c.reads.Add(1)
	if err := c.failing("get"); err != nil {
		return store.Entry{}, err
	}
	return c.Store.Get(ctx, key)
}

func (c *counter) Put(ctx context.Context, w store.Write) (store.Revision, error) {
	c.writes.Add(1)
	if err := c.failing("put"); err != nil {
		return 0, err
	}
	r, err := c.Store.Put(ctx, w)
	if late := c.failing("put late"); err == nil && late != nil {
		return 0, late
	}
	return r, err
}

func (c *counter) Delete(ctx context.Context, key string, expect store.Revision) error {
	c.writes.Add(1)
	if err := c.failing("delete"); err != nil {
		return err
	}
	return c.Store.Delete(ctx, key, expect)
}

func (c *counter) failing(op string) error {
	if c.fail == nil {
		return nil
	}
	return c.fail(op)
}

// costs runs fn and holds it to a number of reads and writes.
func (c *counter) costs(t *testing.T, reads, writes int64, fn func()) {
	t.Helper()
	r, w := c.reads.Load(), c.writes.Load()
	fn()
	if r, w = c.reads.Load()-r, c.writes.Load()-w; r != reads || w != writes {
		t.Errorf("%d reads and %d writes, want %d and %d", r, w, reads, writes)
	}
}

func wantStatus(t *testing.T, r *http.Response, status int) {
	t.Helper()
	if r.StatusCode != status {
		t.Errorf("status %d, want %d", r.StatusCode, status)
	}
}

func wantNoCookie(t *testing.T, r *http.Response) {
	t.Helper()
	if c := r.Header["Set-Cookie"]; len(c) > 0 {
		t.Errorf("got %s, want no cookie", c)
	}
}

// inMemory is for tests that need no other store, or its time.
func inMemory() store.Store { return servertest.Memory()() }
