package agent

import (
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
)

// Of a contract its end is told, and when it did not work, that nothing else was
// changed by it.
func TestNoticeOfAContract(t *testing.T) {
	s := &service{}
	for _, c := range []struct {
		verb  deploy.Verb
		phase deploy.Phase
		on    deploy.Occasion
		text  string
	}{
		{deploy.StepBegin, deploy.Forward, "", ""},
		{deploy.StepEnd, deploy.Done, deploy.OnDone, "0008_split is contracted"},
		{deploy.StepEnd, deploy.RolledBack, deploy.OnFailed, "the contract of 0008_split did not work, and is tried again; all goes on as before: no lock"},
	} {
		r := deploy.Rollout{Kind: deploy.KindContract, Phase: c.phase, From: 2, To: 2, Who: "segue", Reason: "no lock\n    DROP", Brings: []string{"0008_split"}}
		n, told := s.milestone(deploy.Step{Verb: c.verb}, r)
		if told != (c.on != "") || told && (n.On != c.on || !strings.HasPrefix(n.Text, c.text) || strings.Contains(n.Text, "DROP")) {
			t.Errorf("%s, %s: %v, %+v", c.verb, c.phase, told, n)
		}
	}
}
