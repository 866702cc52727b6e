package kubernetes

import (
	"fmt"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// latestImage: the name stays, and what it means changes.
func latestImage(w *World, report lint.Report) {
	for x := range w.Served() {
		for _, c := range append(x.Containers(), x.Sidecars()...) {
			i := parseImage(c.Image)
			if i.Digest != "" || i.Tag != "" && i.Tag != "latest" || c.Image == "" || strings.ContainsAny(c.Image, "${}") {
				continue
			}
			said := "no tag, which is latest"
			if i.Tag != "" {
				said = "the tag latest"
			}
			report(c.Find(
				fmt.Sprintf("the image has %s: a pod that is replaced runs whatever was pushed last, beside older ones, and a rollback pulls the same", said),
				"name a version that is not pushed again, or a digest",
				"image"))
		}
	}
}
