package check

import (
	"context"
	"strings"
)

func halfBody() Case {
	return Case{
		Name:  "half-body",
		Title: "A client that has sent its request's header and half of the body when the signal comes sends the rest, and is answered.",
		Rests: "RFC 9110 §9.2.2: a POST must not be repeated by itself, so it depends on its answer",
		With:  "upload",
		needs: needsUpload,
		run:   runHalfBody,
	}
}

func needsUpload(t Target, s *Survey) string {
	if why := needsHTTP1(t, s); why != "" {
		return why
	}
	if s.Upload == nil {
		return "no request is known for whose body the server waits; name a path with --upload"
	}
	return ""
}

// halfOfBody is small enough to be in the server's buffers at once.
const halfOfBody = 1000

func runHalfBody(ctx context.Context, p *place) (Result, error) {
	c, err := p.dial(ctx)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	half := strings.Repeat("x", halfOfBody)
	if err := c.send(p.survey.Upload.head(c, 2*halfOfBody) + half); err != nil {
		return Result{}, err
	}
	p.taken(ctx, c)
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	return p.judgeUpload(p.finish(c, half))
}

// judgeUpload takes for right what the server answers on an ordinary day.
func (s *Stage) judgeUpload(a answer) (Result, error) {
	if a.ending == whole && a.status == s.survey.Upload.Status {
		return pass(outcomeAnswered, "%s, %v after the signal", a, Duration(s.since(a.at)))
	}
	return s.judgeInFlight(a)
}
