package openfeature

import (
	"context"
	"fmt"
	"math"

	"github.com/open-feature/go-sdk/openfeature"
	"github.com/seguehq/segue/featureflag"
)

// BooleanEvaluation gives a flag whose values are true and false.
func (p *Provider) BooleanEvaluation(_ context.Context, flag string, def bool, c openfeature.FlattenedContext) openfeature.BoolResolutionDetail {
	return resolve(p, flag, def, c, func(x any) (bool, bool) { b, ok := x.(bool); return b, ok })
}

// StringEvaluation gives a flag whose values are strings.
func (p *Provider) StringEvaluation(_ context.Context, flag string, def string, c openfeature.FlattenedContext) openfeature.StringResolutionDetail {
	return resolve(p, flag, def, c, func(x any) (string, bool) { s, ok := x.(string); return s, ok })
}

// FloatEvaluation gives a flag whose values are numbers.
func (p *Provider) FloatEvaluation(_ context.Context, flag string, def float64, c openfeature.FlattenedContext) openfeature.FloatResolutionDetail {
	return resolve(p, flag, def, c, func(x any) (float64, bool) { f, ok := x.(float64); return f, ok })
}

// IntEvaluation gives a flag whose values are numbers; a number that is no integer is
// of the wrong type.
func (p *Provider) IntEvaluation(_ context.Context, flag string, def int64, c openfeature.FlattenedContext) openfeature.IntResolutionDetail {
	return resolve(p, flag, def, c, func(x any) (int64, bool) {
		f, ok := x.(float64)
		return int64(f), ok && f == math.Trunc(f)
	})
}

// ObjectEvaluation gives a flag whose values are objects or lists: map[string]any or
// []any, which must not be changed.
func (p *Provider) ObjectEvaluation(_ context.Context, flag string, def any, c openfeature.FlattenedContext) openfeature.InterfaceResolutionDetail {
	return resolve(p, flag, def, c, func(x any) (any, bool) {
		switch x.(type) {
		case map[string]any, []any:
			return x, true
		}
		return nil, false
	})
}

func resolve[T any](p *Provider, flag string, def T, c openfeature.FlattenedContext, as func(any) (T, bool)) openfeature.GenericResolutionDetail[T] {
	key, _ := c[openfeature.TargetingKey].(string)
	e := p.flags.Set().Evaluate(flag, featureflag.Context{Key: key, Attributes: c})
	detail := openfeature.GenericResolutionDetail[T]{Value: def, ProviderResolutionDetail: openfeature.ProviderResolutionDetail{
		Reason: openfeature.Reason(e.Reason), Variant: e.Variant, FlagMetadata: e.Metadata}}
	if e.Err != "" {
		detail.ResolutionError = errorOf(e.Err, e.Detail)
		return detail
	}
	if e.Variant == "" { // the caller's default
		return detail
	}
	value, ok := as(e.Value)
	if !ok {
		detail.Reason = openfeature.ErrorReason
		detail.ResolutionError = openfeature.NewTypeMismatchResolutionError(fmt.Sprintf("the flag has %v, not a %T", e.Value, def))
		return detail
	}
	detail.Value = value
	return detail
}

func errorOf(code featureflag.ErrorCode, detail string) openfeature.ResolutionError {
	switch code {
	case featureflag.FlagNotFound:
		return openfeature.NewFlagNotFoundResolutionError(detail)
	case featureflag.ParseError:
		return openfeature.NewParseErrorResolutionError(detail)
	case featureflag.TypeMismatch:
		return openfeature.NewTypeMismatchResolutionError(detail)
	case featureflag.InvalidContext:
		return openfeature.NewInvalidContextResolutionError(detail)
	}
	return openfeature.NewGeneralResolutionError(detail)
}
