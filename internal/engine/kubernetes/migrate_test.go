package kubernetes

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// A past is what happened to a service, the oldest first, with a release for each
// number: r1 has one migration, r2 one more, and so on, unless they are said.
type past struct {
	names    map[int][]string
	rollouts []Record
}

const bake = time.Hour

// deployed is a rollout that has ended some time ago.
func deployed(from, to int, ago time.Duration, kind deploy.Kind) Record {
	r := deploy.Rollout{Kind: kind, From: from, To: to, Phase: deploy.Done, Ended: time.Now().Add(-ago)}
	return Record{Rollout: r}
}

// contracted is a contract of a release's migrations; those of closed were begun.
func contracted(release int, ago time.Duration, names ...string) Record {
	r := deployed(release, release, ago, deploy.KindContract)
	r.Contracted, r.Closed = names, names
	return r
}

func (p past) session() *session {
	s := &session{service: "shop"}
	for number, names := range p.names {
		m := &deploy.Migrate{Names: names, Bake: bake}
		s.releases = append(s.releases, Release{Release: deploy.Release{Number: number, Spec: deploy.Service{Migrate: m}}})
	}
	for i, r := range p.rollouts {
		r.ID = int64(i + 1)
		if i > 0 && r.Contracted == nil {
			r.Contracted, r.Closed = p.rollouts[i-1].Contracted, p.rollouts[i-1].Closed
		}
		p.rollouts[i] = r
	}
	s.past = slices.Clone(p.rollouts)
	slices.Reverse(s.past)
	s.last, s.open = standing(s.past)
	return s
}

func TestAContractIsDueWhenTheWayBackIsNotPromisedAnyMore(t *testing.T) {
	names := map[int][]string{1: {"1"}, 2: {"1", "2"}, 3: {"1", "2"}, 4: {"1", "2", "4"}}
	first := deployed(0, 1, 5*time.Hour, deploy.KindDeploy)
	first.Fresh = true
	adopted := deployed(0, 1, 10*time.Minute, deploy.KindDeploy)
	undone := deployed(2, 4, time.Minute, deploy.KindDeploy)
	undone.Phase = deploy.RolledBack
	for _, tt := range []struct {
		name     string
		rollouts []Record
		want     string        // migrations
		in       time.Duration // that it is due; below 0: it is
	}{
		{"nothing was deployed", nil, "", 0},
		{"the first release has nobody to go back to", []Record{first}, "1", -5 * time.Hour},
		{"another program may have been there before", []Record{adopted}, "1", bake - 10*time.Minute},
		{"bake is not over", []Record{first, contracted(1, 4*time.Hour, "1"), deployed(1, 2, 20*time.Minute, deploy.KindDeploy)}, "2", bake - 20*time.Minute},
		{"a release without more does not put it off", []Record{first, contracted(1, 4*time.Hour, "1"), deployed(1, 2, 2*time.Hour, deploy.KindDeploy), deployed(2, 3, time.Minute, deploy.KindDeploy)}, "2", bake - 2*time.Hour},
		{"nor do a scale and a rollout that was undone", []Record{first, contracted(1, 4*time.Hour, "1"), deployed(1, 2, 2*time.Hour, deploy.KindDeploy), deployed(2, 2, time.Hour, deploy.KindScale), undone}, "2", bake - 2*time.Hour},
		{"who went back and forth has baked since the last forth", []Record{first, contracted(1, 4*time.Hour, "1"), deployed(1, 2, 3*time.Hour, deploy.KindDeploy), deployed(2, 1, 2*time.Hour, deploy.KindRollback), deployed(1, 2, time.Minute, deploy.KindDeploy)}, "2", bake - time.Minute},
		{"who went back has nothing to contract", []Record{first, contracted(1, 4*time.Hour, "1"), deployed(1, 2, 3*time.Hour, deploy.KindDeploy), deployed(2, 1, 2*time.Hour, deploy.KindRollback)}, "", 0},
		{"all is contracted", []Record{first, contracted(1, 4*time.Hour, "1"), deployed(1, 2, 3*time.Hour, deploy.KindDeploy), contracted(2, time.Hour, "1", "2"), deployed(2, 3, time.Minute, deploy.KindDeploy)}, "", 0},
		{"it is down", []Record{first, deployed(1, 0, time.Minute, deploy.KindDown)}, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			due := past{names, tt.rollouts}.session().due()
			if due == nil {
				due = &Due{At: time.Now()}
			}
			have, in := strings.Join(due.Migrations, " "), time.Until(due.At).Round(time.Minute)
			if have != tt.want || in != tt.in {
				t.Errorf("%q is due in %s; want %q in %s", have, in, tt.want, tt.in)
			}
		})
	}
}

// What a deploy does before it begins, by what it brings and what is due.
func TestADeployContractsWhatIsDueAndIsRefusedWhileItIsPromised(t *testing.T) {
	names := map[int][]string{1: {"1"}, 2: {"1", "2"}}
	one := contracted(1, 9*time.Hour, "1")
	for _, tt := range []struct {
		name    string
		brought time.Duration // how long ago release 2 was deployed
		manual  bool
		next    []string // migrations of the next release
		first   string   // what is contracted before it
		refused string
	}{
		{"due", 2 * time.Hour, false, []string{"1", "2", "3"}, "2", ""},
		{"due, and nothing new", 2 * time.Hour, false, []string{"1", "2"}, "2", ""},
		{"too early", time.Minute, false, []string{"1", "2", "3"}, "", "the way back is promised; `segue migrate contract shop --now --why TEXT`"},
		{"too early, and nothing new", time.Minute, false, []string{"1", "2"}, "", ""},
		{"by command alone", 2 * time.Hour, true, []string{"1", "2", "3"}, "", "2 is not contracted yet: `segue migrate contract shop` does it"},
		{"by command alone, and nothing new", 2 * time.Hour, true, []string{"1", "2"}, "", ""},
		{"a way back", 2 * time.Hour, false, []string{"1"}, "", ""},
		{"a way back that is closed", 2 * time.Hour, false, nil, "", "does not have 1, and after the contract of it there is no way back"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := past{names, []Record{one, deployed(1, 2, tt.brought, deploy.KindDeploy)}}.session()
			s.release(2).Spec.Migrate.Manual = tt.manual
			next := &Release{Release: deploy.Release{Number: 3, Spec: deploy.Service{Migrate: &deploy.Migrate{Names: tt.next}}}}
			due, err := s.dueBefore(next, false)
			if due == nil {
				due = &Due{}
			}
			if have := strings.Join(due.Migrations, " "); have != tt.first {
				t.Errorf("%q is contracted first; want %q", have, tt.first)
			}
			if tt.refused == "" && err != nil || tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)) {
				t.Errorf("refused: %v; want %q", err, tt.refused)
			}
		})
	}
}

func TestNoContractWhileAPodOfAnOlderReleaseIsThere(t *testing.T) {
	s := past{map[int][]string{1: {"1"}, 2: {"1", "2"}, 3: {"1", "2"}}, []Record{deployed(1, 2, time.Hour, deploy.KindDeploy)}}.session()
	for _, tt := range []struct {
		name string
		pods []Pod
		want string // what the error tells; "" none
	}{
		{"new ones alone", []Pod{{Name: "a", Release: 2, State: Ready}, {Name: "b", Release: 3, State: Probing}}, ""},
		{"an old one that has ended", []Pod{{Name: "a", Release: 1, State: Gone}}, ""},
		{"an old one on its way out", []Pod{{Name: "b", Release: 2, State: Ready}, {Name: "a", Release: 1, State: Draining}}, "pod a of release 1 is still there (draining)"},
		{"one of a release that is not kept", []Pod{{Name: "a", Release: 9, State: Ready}}, "pod a of release 9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := s.outlived(Picture{Pods: tt.pods}, []string{"2"})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v; want %q", err, tt.want)
			}
		})
	}
}

// A contract that was begun may have removed something, however it ended.
func TestAContractThatWasBegunClosesTheWayBack(t *testing.T) {
	s := past{map[int][]string{1: {"1"}, 2: {"1", "2"}}, []Record{contracted(1, 9*time.Hour, "1"), deployed(1, 2, 2*time.Hour, deploy.KindDeploy)}}.session()
	if err := s.knows(s.release(1)); err != nil {
		t.Fatalf("before it: %v", err)
	}
	rec := s.record(deploy.Rollout{Kind: deploy.KindContract, To: 2, Brings: []string{"2"}}, nil)
	rec.Phase = deploy.RolledBack
	s.past = append([]Record{*rec}, s.past...)
	s.last, s.open = standing(s.past)
	if err := s.knows(s.release(1)); err == nil || !strings.Contains(err.Error(), "release 1 of shop does not have 2") {
		t.Errorf("after it: %v", err)
	}
	if err := s.knows(s.release(2)); err != nil {
		t.Error(err)
	}
	if due := s.due(); due == nil || !slices.Equal(due.Migrations, []string{"2"}) {
		t.Errorf("it is to be tried again, and due is %+v", due)
	}
}
