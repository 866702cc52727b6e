package mongo

import (
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// A store has the collections of all databases, each under "database.collection".
// Commands are run one after the other.
type store struct {
	mu          sync.Mutex
	collections map[string]*collection
}

// A failure is an error as a server says it.
type failure struct {
	code int32
	name string
	text string
}

func (f *failure) Error() string { return f.text }

func bad(format string, args ...any) *failure {
	return &failure{2, "BadValue", fmt.Sprintf(format, args...)}
}

// run does what a command says: its first field is its name.
func (s *store) run(command bson.D) bson.D {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply, err := s.dispatch(command)
	if err == nil {
		return append(reply, bson.E{Key: "ok", Value: 1.0})
	}
	return bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: err.text}, {Key: "code", Value: err.code}, {Key: "codeName", Value: err.name}}
}

func (s *store) dispatch(command bson.D) (bson.D, *failure) {
	if len(command) == 0 {
		return nil, bad("an empty command")
	}
	name := command[0].Key
	if name == "$query" { // as OP_QUERY may wrap it
		inner, _ := command[0].Value.(bson.D)
		return s.dispatch(inner)
	}
	switch name {
	case "hello", "isMaster", "ismaster":
		return hello(), nil
	case "ping", "endSessions", "killCursors":
		return bson.D{}, nil
	case "buildInfo", "buildinfo":
		return bson.D{{Key: "version", Value: "4.4.0"}, {Key: "versionArray", Value: bson.A{4, 4, 0, 0}}}, nil
	case "dropDatabase":
		s.drop(text(command, "$db") + ".")
		return bson.D{}, nil
	}
	do, ok := map[string]func(*collection, bson.D) (bson.D, *failure){
		"insert": insertAll, "find": find, "findAndModify": findAndModify, "findandmodify": findAndModify, "update": updateAll, "delete": deleteAll,
	}[name]
	if !ok {
		return nil, &failure{59, "CommandNotFound", fmt.Sprintf("no such command: %q: this is the tests' own server", name)}
	}
	return do(s.collection(text(command, "$db")+"."+text(command, name)), command)
}

// hello is that of a single server of MongoDB 4.4, without sessions: drivers that
// find some send transactions' numbers.
func hello() bson.D {
	return bson.D{
		{Key: "helloOk", Value: true}, {Key: "ismaster", Value: true}, {Key: "isWritablePrimary", Value: true},
		{Key: "maxBsonObjectSize", Value: int32(16 << 20)}, {Key: "maxMessageSizeBytes", Value: int32(maxMessage)},
		{Key: "maxWriteBatchSize", Value: int32(1000)}, {Key: "localTime", Value: bson.NewDateTimeFromTime(time.Now())},
		{Key: "minWireVersion", Value: int32(0)}, {Key: "maxWireVersion", Value: int32(9)}, {Key: "readOnly", Value: false},
	}
}

func (s *store) collection(name string) *collection {
	if s.collections == nil {
		s.collections = map[string]*collection{}
	}
	if s.collections[name] == nil {
		s.collections[name] = &collection{name: name}
	}
	return s.collections[name]
}

func (s *store) drop(prefix string) {
	for name := range s.collections {
		if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			delete(s.collections, name)
		}
	}
}

// field is a field of a document: nil if there is none.
func field(d bson.D, key string) any {
	for _, e := range d {
		if e.Key == key {
			return e.Value
		}
	}
	return nil
}

func text(d bson.D, key string) string {
	s, _ := field(d, key).(string)
	return s
}

func document(d bson.D, key string) bson.D {
	v, _ := field(d, key).(bson.D)
	return v
}

func truth(d bson.D, key string) bool {
	switch v := field(d, key).(type) {
	case bool:
		return v
	case nil:
		return false
	default:
		n, ok := number(v)
		return ok && n != 0
	}
}

// documents are those of a field that is a list of them.
func documents(d bson.D, key string) []bson.D {
	list, _ := field(d, key).(bson.A)
	var all []bson.D
	for _, v := range list {
		if d, ok := v.(bson.D); ok {
			all = append(all, d)
		}
	}
	return all
}
