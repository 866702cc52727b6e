package cache

import "encoding/json"

// A Codec writes values for the store, and reads them. Other releases read what
// this one has written as long as the type and the codec's name are the same. It
// may be used concurrently.
type Codec interface {
	// Name is that of the format, with its version.
	Name() string
	Encode(v any) ([]byte, error)
	// Decode reads data into what v points at.
	Decode(data []byte, v any) error
}

// JSON is the codec of encoding/json.
var JSON Codec = jsonCodec{}

type jsonCodec struct{}

func (jsonCodec) Name() string                    { return "json" }
func (jsonCodec) Encode(v any) ([]byte, error)    { return json.Marshal(v) }
func (jsonCodec) Decode(data []byte, v any) error { return json.Unmarshal(data, v) }
