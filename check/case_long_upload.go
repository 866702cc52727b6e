package check

import (
	"context"
	"strings"
	"time"
)

func longUpload() Case {
	return Case{
		Name:  "long-upload",
		Title: "A long upload goes on through the signal, and is answered at its end.",
		Rests: "RFC 9110 §9.2.2: a POST must not be repeated by itself, so it depends on its answer",
		With:  "upload",
		needs: needsUpload,
		run:   runLongUpload,
	}
}

// The upload is under way for about a second after the signal.
const (
	uploadPieces  = 24
	uploadBefore  = 3 // that are sent before the signal
	uploadPiece   = 4 << 10
	betweenPieces = 50 * time.Millisecond
)

func runLongUpload(ctx context.Context, p *place) (Result, error) {
	if err := p.awaitOthers(); err != nil {
		return Result{}, err
	}
	c, err := p.dial(ctx)
	if err != nil {
		return Result{}, err
	}
	defer c.Close()
	piece := strings.Repeat("x", uploadPiece)
	if err := c.send(p.survey.Upload.head(c, uploadPieces*uploadPiece) + strings.Repeat(piece, uploadBefore)); err != nil {
		return Result{}, err
	}
	p.taken(ctx, c)
	if err := p.awaitSignal(); err != nil {
		return Result{}, err
	}
	for n := range uploadPieces - uploadBefore {
		if e, _ := c.hungUp(p.at.Add(time.Duration(n) * betweenPieces)); e != timeout {
			break // the end of the connection, or an answer already
		}
		if err := c.send(piece); err != nil {
			break // what came instead of an answer is still to be read
		}
	}
	return p.judgeUpload(c.answer(p.patience()))
}
