package mongo

import (
	"bytes"
	"cmp"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// match says whether a filter finds a document: fields of its first level, with
// $eq, $ne, $gt, $gte, $lt, $lte, $in and $exists, all of them at once, or $and.
func match(d, filter bson.D) (bool, *failure) {
	for _, f := range filter {
		ok, err := matchOne(d, f)
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func matchOne(d bson.D, f bson.E) (bool, *failure) {
	switch {
	case f.Key == "$and":
		for _, part := range documents(bson.D{f}, "$and") {
			if ok, err := match(d, part); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	case f.Key[:min(1, len(f.Key))] == "$":
		return false, bad("unknown top level operator: %s", f.Key)
	}
	has := slices.ContainsFunc(d, func(e bson.E) bool { return e.Key == f.Key })
	value := field(d, f.Key)
	conditions, ok := f.Value.(bson.D)
	if !ok || len(conditions) == 0 || conditions[0].Key[:min(1, len(conditions[0].Key))] != "$" {
		return compare(value, f.Value) == same, nil
	}
	for _, c := range conditions {
		if ok, err := holds(value, has, c); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// holds says whether a value meets one condition.
func holds(value any, has bool, c bson.E) (bool, *failure) {
	order := compare(value, c.Value)
	switch c.Key {
	case "$eq":
		return order == same, nil
	case "$ne":
		return order != same, nil
	case "$gt":
		return order == more, nil
	case "$gte":
		return order == more || order == same, nil
	case "$lt":
		return order == less, nil
	case "$lte":
		return order == less || order == same, nil
	case "$exists":
		return has == truth(bson.D{{Key: "exists", Value: c.Value}}, "exists"), nil
	case "$in":
		list, _ := c.Value.(bson.A)
		return slices.ContainsFunc(list, func(v any) bool { return compare(value, v) == same }), nil
	}
	return false, bad("unknown operator: %s", c.Key)
}

// How two values stand to each other. Those of different types are not comparable,
// so that {$lte: date} does not find a document without that date.
const (
	less  = -1
	same  = 0
	more  = 1
	apart = 2
)

func compare(a, b any) int {
	if x, ok := number(a); ok {
		if y, ok := number(b); ok {
			return cmp.Compare(x, y)
		}
		return apart
	}
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return cmp.Compare(x, y)
		}
	case bson.DateTime:
		if y, ok := b.(bson.DateTime); ok {
			return cmp.Compare(x, y)
		}
	case bson.ObjectID:
		if y, ok := b.(bson.ObjectID); ok {
			return bytes.Compare(x[:], y[:])
		}
	case nil:
		if b == nil {
			return same
		}
	default:
		return compareBytes(a, b)
	}
	return apart
}

// compareBytes has everything else the same or apart, as it is written.
func compareBytes(a, b any) int {
	s, x, err := bson.MarshalValue(a)
	u, y, err2 := bson.MarshalValue(b)
	if err == nil && err2 == nil && s == u && bytes.Equal(x, y) {
		return same
	}
	return apart
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case int32:
		return float64(n), true
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}
