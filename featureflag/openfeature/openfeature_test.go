package openfeature_test

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"
	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/featureflag/openfeature"
)

// held are flags whose Set is changed by hand.
type held struct {
	mu      sync.Mutex
	set     *featureflag.Set
	changed chan struct{}
	ready   chan struct{}
}

func hold() *held { return &held{changed: make(chan struct{}), ready: make(chan struct{})} }

func (h *held) put(t testing.TB, document string) {
	d, err := featureflag.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	first := h.set == nil
	h.set = featureflag.Compile(d)
	close(h.changed)
	h.changed = make(chan struct{})
	if first {
		close(h.ready)
	}
}

func (h *held) Ready(ctx context.Context) error {
	select {
	case <-h.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *held) Set() *featureflag.Set {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.set
}

func (h *held) Changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

const flags = `{"flags": {
	"bool": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
		"targeting": {"if": [{"==": [{"var": "targetingKey"}, "u"]}, "on"]}, "metadata": {"owner": "shop"}},
	"string": {"state": "ENABLED", "variants": {"v": "hi"}, "defaultVariant": "v"},
	"int": {"state": "ENABLED", "variants": {"v": 7}, "defaultVariant": "v"},
	"float": {"state": "ENABLED", "variants": {"v": 0.5}, "defaultVariant": "v"},
	"object": {"state": "ENABLED", "variants": {"v": {"a": [1]}}, "defaultVariant": "v"},
	"list": {"state": "ENABLED", "variants": {"v": [1]}, "defaultVariant": "v"},
	"since": {"state": "ENABLED", "variants": {"yes": true}, "targeting": {"if": [{"starts_with": [{"var": "at"}, "2026-"]}, "yes"]}},
	"own": {"state": "ENABLED", "variants": {"v": true}},
	"dark": {"state": "DISABLED", "variants": {"v": true}, "defaultVariant": "v"},
	"wrong": {"state": "ENABLED", "variants": {"v": true}, "targeting": {"x": 1}},
	"strange": {"state": "ENABLED", "variants": {"v": true}, "targeting": "x"}}}`

func client(t *testing.T) *sdk.Client {
	h := hold()
	h.put(t, flags)
	api := isolated.NewAPI()
	if err := api.SetProviderAndWait(t.Context(), openfeature.New(h)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Shutdown(context.Background()) })
	return api.NewClient()
}

func TestEvaluation(t *testing.T) {
	c, ctx := client(t), t.Context()
	you := sdk.NewEvaluationContext("u", map[string]any{"at": time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)})
	for flag, want := range map[string]string{
		"bool":    "true on TARGETING_MATCH ",
		"since":   "true yes TARGETING_MATCH ",
		"own":     "false  DEFAULT ",
		"dark":    "false  DISABLED ",
		"wrong":   "false  ERROR PARSE_ERROR",
		"strange": "false  ERROR GENERAL",
		"none":    "false  ERROR FLAG_NOT_FOUND",
		"string":  "false v ERROR TYPE_MISMATCH",
	} {
		d, err := c.BooleanValueDetails(ctx, flag, false, you)
		if got := fmt.Sprint(d.Value, " ", d.Variant, " ", d.Reason, " ", d.ErrorCode); got != want || (err != nil) != (d.ErrorCode != "") {
			t.Errorf("%s: %s (%v), want %s", flag, got, err, want)
		}
	}
	if d, err := c.StringValueDetails(ctx, "string", "x", you); err != nil || d.Value != "hi" || d.Reason != sdk.StaticReason {
		t.Errorf("string: %+v, %v", d, err)
	}
	if n, err := c.IntValue(ctx, "int", 1, you); err != nil || n != 7 {
		t.Errorf("int: %d, %v", n, err)
	}
	if n, err := c.IntValue(ctx, "float", 1, you); err == nil || n != 1 {
		t.Errorf("float as int: %d, %v", n, err)
	}
	if f, err := c.FloatValue(ctx, "float", 1, you); err != nil || f != 0.5 {
		t.Errorf("float: %v, %v", f, err)
	}
	if o, err := c.ObjectValue(ctx, "object", nil, you); err != nil || !reflect.DeepEqual(o, map[string]any{"a": []any{1.0}}) {
		t.Errorf("object: %v, %v", o, err)
	}
	if o, err := c.ObjectValue(ctx, "list", nil, you); err != nil || !reflect.DeepEqual(o, []any{1.0}) {
		t.Errorf("list: %v, %v", o, err)
	}
	if _, err := c.ObjectValue(ctx, "bool", nil, you); err == nil {
		t.Error("a bool as an object")
	}
	if d, _ := c.BooleanValueDetails(ctx, "bool", false, sdk.EvaluationContext{}); d.FlagMetadata["owner"] != "shop" || d.Value {
		t.Errorf("nobody: %+v", d)
	}
}

// TestStates: ready when the flags were read, told when they change, and quiet after Shutdown.
func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold()
		p := openfeature.New(h)
		began := make(chan error, 1)
		go func() { began <- p.Init(sdk.EvaluationContext{}) }()
		synctest.Wait()
		select {
		case err := <-began:
			t.Fatalf("ready before the flags were read: %v", err)
		default:
		}
		h.put(t, flags)
		if err := <-began; err != nil {
			t.Fatal(err)
		}
		h.put(t, `{"flags": {"bool": {"state": "ENABLED", "variants": {"on": true}}, "new": {"state": "ENABLED", "variants": {"on": true}}}}`)
		e := <-p.EventChannel()
		want := []string{"bool", "dark", "float", "int", "list", "new", "object", "own", "since", "strange", "string", "wrong"}
		if e.EventType != sdk.ProviderConfigChange || !reflect.DeepEqual(e.FlagChanges, want) {
			t.Errorf("%+v", e)
		}
		h.put(t, flags)
		synctest.Wait() // a change that nobody takes
		p.Shutdown()
		if err := p.Init(sdk.EvaluationContext{}); err != nil {
			t.Error(err)
		}
		h.put(t, `{"flags": {}}`)
		<-p.EventChannel()
		if err := p.ShutdownWithContext(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestInitGivesUp: with its context, and with Shutdown.
func TestInitGivesUp(t *testing.T) {
	p := openfeature.New(hold())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.InitWithContext(ctx, sdk.EvaluationContext{}); err == nil {
		t.Error("ready without flags")
	}
	synctest.Test(t, func(t *testing.T) {
		p := openfeature.New(hold())
		began := make(chan error, 1)
		go func() { began <- p.Init(sdk.EvaluationContext{}) }()
		synctest.Wait()
		p.Shutdown()
		if err := <-began; err == nil {
			t.Error("ready without flags")
		}
	})
}
