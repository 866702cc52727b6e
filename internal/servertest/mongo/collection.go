package mongo

import (
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// A collection has its documents in the order in which they came.
type collection struct {
	name string
	all  []bson.D
}

// insert adds a document, which gets an _id if it has none. Two of one _id are
// refused.
func (c *collection) insert(d bson.D) *failure {
	id := field(d, "_id")
	if id == nil {
		id = bson.NewObjectID()
		d = append(bson.D{{Key: "_id", Value: id}}, d...)
	}
	for _, other := range c.all {
		if compare(field(other, "_id"), id) == same {
			return &failure{11000, "DuplicateKey",
				fmt.Sprintf("E11000 duplicate key error collection: %s index: _id_ dup key: { _id: %q }", c.name, fmt.Sprint(id))}
		}
	}
	c.all = append(c.all, d)
	return nil
}

// first is the place of the first document that a filter matches: -1 if none.
func (c *collection) first(filter bson.D) (int, *failure) {
	for i, d := range c.all {
		if ok, err := match(d, filter); ok || err != nil {
			return i, err
		}
	}
	return -1, nil
}

func insertAll(c *collection, command bson.D) (bson.D, *failure) {
	n, errs := int32(0), bson.A{}
	for i, d := range documents(command, "documents") {
		if err := c.insert(d); err != nil {
			errs = append(errs, err.of(i))
			break
		}
		n++
	}
	return withErrors(bson.D{{Key: "n", Value: n}}, errs), nil
}

// of is the error of the i-th part of a command that has several.
func (f *failure) of(i int) bson.D {
	return bson.D{{Key: "index", Value: int32(i)}, {Key: "code", Value: f.code}, {Key: "errmsg", Value: f.text}}
}

func withErrors(reply bson.D, errs bson.A) bson.D {
	if len(errs) > 0 {
		reply = append(reply, bson.E{Key: "writeErrors", Value: errs})
	}
	return reply
}

// find returns all it finds in its first batch.
func find(c *collection, command bson.D) (bson.D, *failure) {
	for _, unknown := range []string{"sort", "skip", "projection"} {
		if field(command, unknown) != nil {
			return nil, bad("find with %s: this is the tests' own server", unknown)
		}
	}
	limit, _ := number(field(command, "limit"))
	found := bson.A{}
	for _, d := range c.all {
		ok, err := match(d, document(command, "filter"))
		if err != nil {
			return nil, err
		}
		if ok && (limit == 0 || len(found) < int(max(limit, -limit))) {
			found = append(found, d)
		}
	}
	return bson.D{{Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: c.name}, {Key: "firstBatch", Value: found}}}}, nil
}

func findAndModify(c *collection, command bson.D) (bson.D, *failure) {
	if field(command, "sort") != nil || field(command, "fields") != nil {
		return nil, bad("findAndModify with sort or fields: this is the tests' own server")
	}
	filter := document(command, "query")
	i, err := c.first(filter)
	if err != nil {
		return nil, err
	}
	if truth(command, "remove") {
		return c.takeOut(i), nil
	}
	old, changed, err := c.write(i, filter, command, "update")
	if err != nil {
		return nil, err
	}
	last := bson.D{{Key: "n", Value: int32(0)}, {Key: "updatedExisting", Value: i >= 0}}
	if changed != nil {
		last[0].Value = int32(1)
	}
	value := old
	if truth(command, "new") {
		value = changed
	}
	return bson.D{{Key: "lastErrorObject", Value: last}, {Key: "value", Value: orNull(value)}}, nil
}

func orNull(d bson.D) any {
	if d == nil {
		return nil
	}
	return d
}

func (c *collection) takeOut(i int) bson.D {
	if i < 0 {
		return bson.D{{Key: "lastErrorObject", Value: bson.D{{Key: "n", Value: int32(0)}}}, {Key: "value", Value: nil}}
	}
	d := c.all[i]
	c.all = slices.Delete(c.all, i, i+1)
	return bson.D{{Key: "lastErrorObject", Value: bson.D{{Key: "n", Value: int32(1)}}}, {Key: "value", Value: d}}
}

// write changes the i-th document, or, if there is none and the command says upsert,
// makes one. It returns what was there and what is there now: nil for nothing.
func (c *collection) write(i int, filter, command bson.D, key string) (old, changed bson.D, err *failure) {
	change := document(command, key)
	if i >= 0 {
		old = c.all[i]
		if changed, err = apply(old, change, false); err == nil {
			c.all[i] = changed
		}
		return old, changed, err
	}
	if !truth(command, "upsert") {
		return nil, nil, nil
	}
	if changed, err = apply(equalities(filter), change, true); err == nil {
		err = c.insert(changed)
	}
	return nil, changed, err
}

func updateAll(c *collection, command bson.D) (bson.D, *failure) {
	n, modified, errs := int32(0), int32(0), bson.A{}
	upserted := bson.A{}
	for index, u := range documents(command, "updates") {
		if truth(u, "multi") {
			return nil, bad("update of many: this is the tests' own server")
		}
		filter := document(u, "q")
		i, err := c.first(filter)
		var old, changed bson.D
		if err == nil {
			old, changed, err = c.write(i, filter, u, "u")
		}
		if err != nil {
			errs = append(errs, err.of(index))
			break
		}
		if changed != nil {
			n++
		}
		switch {
		case changed != nil && old == nil:
			upserted = append(upserted, bson.D{{Key: "index", Value: int32(index)}, {Key: "_id", Value: field(changed, "_id")}})
		case changed != nil && compare(old, changed) != same:
			modified++
		}
	}
	reply := bson.D{{Key: "n", Value: n}, {Key: "nModified", Value: modified}}
	if len(upserted) > 0 {
		reply = append(reply, bson.E{Key: "upserted", Value: upserted})
	}
	return withErrors(reply, errs), nil
}

func deleteAll(c *collection, command bson.D) (bson.D, *failure) {
	n := int32(0)
	for _, d := range documents(command, "deletes") {
		limit, _ := number(field(d, "limit"))
		for {
			i, err := c.first(document(d, "q"))
			if err != nil {
				return nil, err
			}
			if i < 0 {
				break
			}
			c.takeOut(i)
			if n++; limit == 1 {
				break
			}
		}
	}
	return bson.D{{Key: "n", Value: n}}, nil
}
