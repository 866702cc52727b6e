package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/engine/kubernetes"
)

func TestTheStatusTellsWhenAContractIsToCome(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.Local)
	due := func(at time.Time, manual bool) *kubernetes.Due {
		return &kubernetes.Due{Release: 8, Migrations: []string{"0008_split"}, At: at, Manual: manual}
	}
	for _, tt := range []struct {
		name string
		due  *kubernetes.Due
		want string // "" is nothing
	}{
		{"none", nil, ""},
		{"due", due(now.Add(-time.Hour), false), "contract of 0008_split due since 2026-11-22 11:00:00; `segue migrate contract shop` or the next deploy does it"},
		{"promised", due(now.Add(time.Hour), false), "contract of 0008_split in 1h0m, until then the way back is promised; `segue migrate contract shop` or the next deploy does it"},
		{"by command alone", due(now.Add(-time.Hour), true), "due since 2026-11-22 11:00:00; `segue migrate contract shop` does it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			writeClusterStatus(&b, &kubernetes.Cluster{Context: "prod"}, []kubernetes.Status{{Service: "shop", Release: 8, Contract: tt.due}}, now)
			if have := b.String(); !strings.Contains(have, tt.want) || tt.want == "" && strings.Contains(have, "contract") {
				t.Errorf("%s\nwant %q", have, tt.want)
			}
		})
	}
}
