package kubernetes

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seguehq/segue/internal/deploy"
)

// What Segue remembers of a service is in the cluster, beside the service, so
// that everybody sees the same: a ConfigMap for each release and for each
// rollout. None of them holds a secret.
const (
	numberLabel  = "segue.dev/number"
	kindRelease  = "release"
	kindRollout  = "rollout"
	kindPrepared = "prepared"
	kindEnv      = "env"
	kindSalt     = "salt"
	kindLease    = "lease"

	recordKey = "record.json" // what its writer alone writes
	wordKey   = "word.json"   // what others say to who works on the rollout
)

// rolloutsKept is how many rollouts the history of a service goes back.
const rolloutsKept = 50

// A Release is one that is kept in the cluster, with what it takes to bring it back.
type Release struct {
	deploy.Release
	Image     string `json:"image"`
	Segue     string `json:"segue,omitempty"`      // image that runs its migrations; "" it had none when it was made
	EnvSecret string `json:"env_secret,omitempty"` // "" no environment
	Who       string `json:"who"`

	// As Releases tells.
	Serving bool     `json:"serving,omitempty"`
	TooOld  []string `json:"too_old,omitempty"` // migrations that it lacks, and which are contracted
}

// A Record is a rollout as it is written down in the cluster.
type Record struct {
	deploy.Rollout
	Old       string   `json:"old,omitempty"`              // Deployment that served when it began; "" none
	New       string   `json:"new,omitempty"`              // Deployment that it makes, or changes
	Restarted string   `json:"restarted,omitempty"`        // when, as the template of New's pods says; "" never since it was deployed
	WasBefore string   `json:"restarted_before,omitempty"` // the same of Old
	Hooks     []string `json:"hooks,omitempty"`            // those that have ended well, with their stage
	Segue     string   `json:"segue,omitempty"`            // image that runs the migrations; "" that of the release
	// Contracted are the migrations whose contract is done when the rollout is over,
	// and Closed those of which it was begun: there is no way back to a release
	// without them.
	Contracted []string `json:"contracted,omitempty"`
	Closed     []string `json:"closed,omitempty"`
	Lost       int      `json:"lost,omitempty"`  // requests that its drill has lost
	Drill      string   `json:"drill,omitempty"` // the drill's report
}

// A word is what somebody says to a rollout that somebody else works on.
type word struct {
	Promote int    `json:"promote,omitempty"` // stages below this one are passed
	Back    bool   `json:"back,omitempty"`    // it is to be undone
	Note    string `json:"note"`              // whose word it is, and why
}

// records reads and writes what is remembered of one service.
type records struct {
	c       *Cluster
	service string
}

func (r records) name(kind string, n int64) string {
	return fmt.Sprintf("segue-%s-%s-%d", r.service, kind, n)
}

func (r records) labels(kind string) map[string]string {
	return map[string]string{LabelName: r.service, LabelManagedBy: Manager, LabelKind: kind}
}

// create writes a record that did not exist. Of two who take the same number at
// the same time one gets an error, which says so.
func (r records) create(ctx context.Context, kind string, n int64, what any) error {
	js, err := json.Marshal(what)
	if err != nil {
		return err
	}
	labels := r.labels(kind)
	labels[numberLabel] = strconv.FormatInt(n, 10)
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: r.name(kind, n), Labels: labels},
		Data:       map[string]string{recordKey: string(js)},
	}
	err = r.c.Create(ctx, cm)
	if IsThere(err) {
		return fmt.Errorf("%s %d of %s was begun by somebody else at the same moment; try again: %w", kind, n, r.service, err)
	}
	return err
}

// listed reads all records of a kind, the newest first.
func listed[T any](ctx context.Context, r records, kind string) ([]T, error) {
	var all corev1.ConfigMapList
	if err := r.c.List(ctx, &all, metav1.FormatLabelSelector(metav1.SetAsLabelSelector(r.labels(kind)))); err != nil {
		return nil, err
	}
	number := func(cm corev1.ConfigMap) int64 {
		n, _ := strconv.ParseInt(cm.Labels[numberLabel], 10, 64) // somebody has changed it: the oldest
		return n
	}
	slices.SortFunc(all.Items, func(a, b corev1.ConfigMap) int { return cmp.Compare(number(b), number(a)) })
	out := make([]T, len(all.Items))
	for i, cm := range all.Items {
		if err := json.Unmarshal([]byte(cm.Data[recordKey]), &out[i]); err != nil {
			return nil, fmt.Errorf("ConfigMap %s does not hold a %s that this segue reads: %w", cm.Name, kind, err)
		}
	}
	return out, nil
}

func (r records) releases(ctx context.Context) ([]Release, error) {
	return listed[Release](ctx, r, kindRelease)
}

func (r records) rollouts(ctx context.Context) ([]Record, error) {
	return listed[Record](ctx, r, kindRollout)
}

// write replaces a rollout's record. What others have said meanwhile stays.
func (r records) write(ctx context.Context, rec *Record) error {
	js, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return r.update(ctx, rec.ID, func(cm *corev1.ConfigMap) error {
		cm.Data[recordKey] = string(js)
		return nil
	})
}

// say leaves a word for who works on a rollout. A later word replaces it, but
// none undoes that the rollout is to be undone.
func (r records) say(ctx context.Context, id int64, w word) error {
	return r.update(ctx, id, func(cm *corev1.ConfigMap) error {
		before, err := wordIn(cm)
		if err != nil || before.Back {
			return err
		}
		js, err := json.Marshal(w)
		cm.Data[wordKey] = string(js)
		return err
	})
}

// word is what was last said to a rollout.
func (r records) word(ctx context.Context, id int64) (word, error) {
	cm := corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: r.name(kindRollout, id)}}
	if err := r.c.Get(ctx, &cm); err != nil {
		return word{}, err
	}
	return wordIn(&cm)
}

func wordIn(cm *corev1.ConfigMap) (w word, err error) {
	if js := cm.Data[wordKey]; js != "" {
		err = json.Unmarshal([]byte(js), &w)
	}
	return w, err
}

// update changes a rollout's ConfigMap, however many others do at the same time.
func (r records) update(ctx context.Context, id int64, change func(*corev1.ConfigMap) error) error {
	name := r.name(kindRollout, id)
	for {
		cm := corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := r.c.Get(ctx, &cm); err != nil {
			return err
		}
		if err := change(&cm); err != nil {
			return err
		}
		if err := r.c.Update(ctx, &cm); !IsStale(err) {
			return err
		}
	}
}

// prune drops the rollouts that the history is too short for.
func (r records) prune(ctx context.Context) error {
	all, err := r.rollouts(ctx)
	if err != nil {
		return err
	}
	for _, rec := range all[min(len(all), rolloutsKept):] {
		if err := r.c.Delete(ctx, Ref{"ConfigMap", r.name(kindRollout, rec.ID)}); err != nil {
			return err
		}
	}
	return nil
}

// now tells what a service is: the rollout that ended last, and the one that is
// open, each nil if there is none.
func (r records) now(ctx context.Context) (last, open *Record, err error) {
	all, err := r.rollouts(ctx)
	if err != nil {
		return nil, nil, err
	}
	last, open = standing(all)
	return last, open, nil
}

// standing is now, of rollouts that were read, the newest first.
func standing(all []Record) (last, open *Record) {
	for i := range all {
		switch rec := &all[i]; {
		case !rec.Phase.Ended():
			open = rec
		case last == nil:
			last = rec
		}
	}
	return last, open
}

// serves tells what serves after a rollout has ended; before any it is nil.
func (rec *Record) serves() serving {
	switch {
	case rec == nil:
		return serving{}
	case rec.Phase == deploy.Done:
		return serving{rec.To, rec.New, rec.Replicas, rec.Restarted}
	}
	return serving{rec.From, rec.Old, rec.Before, rec.WasBefore}
}

// A serving is what serves; the zero value is nothing.
type serving struct {
	release    int
	deployment string
	replicas   int
	restarted  string
}

// preparedName names what remembers that a preparation was done, by what it does.
func preparedName(service string, h deploy.Hook) string {
	sum := sha256.Sum256([]byte(h.Name + "\x00" + h.Digest()))
	return "segue-" + service + "-prepared-" + hex.EncodeToString(sum[:4])
}

// prepared finds out when a preparation was done; nil: never.
func (r records) prepared(ctx context.Context, h deploy.Hook) (*deploy.Preparation, error) {
	cm := corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: preparedName(r.service, h)}}
	if err := r.c.Get(ctx, &cm); IsGone(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	p := new(deploy.Preparation)
	return p, json.Unmarshal([]byte(cm.Data[recordKey]), p)
}

// wasPrepared writes down that a preparation was done.
func (r records) wasPrepared(ctx context.Context, p deploy.Preparation, h deploy.Hook) error {
	js, err := json.Marshal(p)
	if err != nil {
		return err
	}
	err = r.c.Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: preparedName(r.service, h), Labels: r.labels(kindPrepared)},
		Data:       map[string]string{recordKey: string(js)},
	})
	if IsThere(err) {
		return nil
	}
	return err
}
