package config

import "testing"

func TestSmoke(t *testing.T) {
	f, err := Parse("segue.yaml", []byte(Example), "/x", nil)
	t.Logf("%+v %v", f, err)
	b, err := Schema()
	t.Logf("%s %v", b, err)
	for _, src := range []string{"service: shop\nlisten: 8080\nrelease: {command: bin/shop | tee}\nprobes:\n  redyness: {http: /x}\nport: 80\n"} {
		_, err := Parse("segue.yaml", []byte(src), "/x", nil)
		t.Logf("\n%s", err.(Errors).Show())
	}
}
