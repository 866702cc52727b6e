package mongo

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// apply returns a document as a change leaves it: $set, $setOnInsert, $unset and
// $inc of fields of the first level, or a whole document, which keeps the _id.
func apply(old, change bson.D, inserted bool) (bson.D, *failure) {
	d := slices.Clone(old)
	for _, op := range change {
		fields, _ := op.Value.(bson.D)
		switch op.Key {
		case "$set":
			d = setAll(d, fields)
		case "$setOnInsert":
			if inserted {
				d = setAll(d, fields)
			}
		case "$unset":
			d = slices.DeleteFunc(d, func(e bson.E) bool { return field(fields, e.Key) != nil })
		case "$inc":
			for _, f := range fields {
				d = setAll(d, bson.D{{Key: f.Key, Value: sum(field(d, f.Key), f.Value)}})
			}
		default:
			if op.Key[:min(1, len(op.Key))] == "$" {
				return nil, bad("unknown modifier: %s", op.Key)
			}
			return replace(old, change), nil
		}
	}
	if compare(field(old, "_id"), field(d, "_id")) != same && !inserted {
		return nil, &failure{66, "ImmutableField", "an _id cannot be changed"}
	}
	return d, nil
}

func replace(old, by bson.D) bson.D {
	by = slices.DeleteFunc(slices.Clone(by), func(e bson.E) bool { return e.Key == "_id" })
	if id := field(old, "_id"); id != nil {
		by = append(bson.D{{Key: "_id", Value: id}}, by...)
	}
	return by
}

func setAll(d, fields bson.D) bson.D {
	for _, f := range fields {
		i := slices.IndexFunc(d, func(e bson.E) bool { return e.Key == f.Key })
		if i < 0 {
			d = append(d, f)
			continue
		}
		d[i] = f
	}
	return d
}

// sum keeps whole numbers whole.
func sum(a, b any) any {
	x, _ := number(a)
	y, _ := number(b)
	if whole(a) && whole(b) {
		return int64(x) + int64(y)
	}
	return x + y
}

func whole(v any) bool { _, fraction := v.(float64); return !fraction }

// equalities are what a filter says that a document is, which an upsert makes it.
func equalities(filter bson.D) bson.D {
	var d bson.D
	for _, f := range filter {
		switch v := f.Value.(type) {
		case bson.D:
			if len(v) == 0 || v[0].Key[:min(1, len(v[0].Key))] != "$" {
				d = append(d, f)
			} else if eq := field(v, "$eq"); eq != nil {
				d = append(d, bson.E{Key: f.Key, Value: eq})
			}
		case bson.A:
			if f.Key == "$and" {
				for _, part := range documents(bson.D{f}, "$and") {
					d = append(d, equalities(part)...)
				}
				continue
			}
			d = append(d, f)
		default:
			d = append(d, f)
		}
	}
	return d
}
