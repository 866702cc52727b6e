package proxy

import (
	"context"
	"log/slog"

	"go.uber.org/zap/zapcore"
)

// toSlog passes on what certmagic logs. What it says at Info is a step, and
// goes to Debug; its own Debug, which holds whole messages to the CA, nowhere.
type toSlog struct{ log *slog.Logger }

func (t toSlog) Enabled(l zapcore.Level) bool { return l >= zapcore.InfoLevel }

func (t toSlog) With(fields []zapcore.Field) zapcore.Core {
	return toSlog{slog.New(t.log.Handler().WithAttrs(attrs(fields)))}
}

func (t toSlog) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if t.Enabled(e.Level) {
		return c.AddCore(e, t)
	}
	return c
}

func (t toSlog) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := slog.LevelDebug
	switch {
	case e.Level >= zapcore.ErrorLevel:
		level = slog.LevelError
	case e.Level == zapcore.WarnLevel:
		level = slog.LevelWarn
	}
	t.log.LogAttrs(context.Background(), level, "acme: "+e.Message, attrs(fields)...)
	return nil
}

func (t toSlog) Sync() error { return nil }

func attrs(fields []zapcore.Field) []slog.Attr {
	m := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(m)
	}
	out := make([]slog.Attr, 0, len(m.Fields))
	for _, key := range sortedKeys(m.Fields) {
		out = append(out, slog.Any(key, m.Fields[key]))
	}
	return out
}
