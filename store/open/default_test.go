package open

import (
	"strings"
	"testing"
)

func TestDefaultPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env           map[string]string
		program, want string
	}{
		{map[string]string{"HOME": "/home/a"}, "/usr/bin/shop", "/home/a/.local/state/segue/store/shop.db"},
		{map[string]string{"HOME": "/home/a", "SEGUE_SERVICE": "web"}, "/tmp/x/main", "/home/a/.local/state/segue/store/web.db"},
		{map[string]string{"HOME": "/home/a", "XDG_STATE_HOME": "/s"}, "shop", "/s/segue/store/shop.db"},
		{map[string]string{"HOME": "/home/a", "XDG_STATE_HOME": "s"}, "shop", "/home/a/.local/state/segue/store/shop.db"},
		{map[string]string{"HOME": "/", "STATE_DIRECTORY": "/var/lib/shop:/var/lib/b"}, "./shop", "/var/lib/shop/segue/shop.db"},
		{map[string]string{"HOME": "/home/a", "SEGUE_SERVICE": "../b"}, "shop", `error: service "../b"`},
		{map[string]string{"HOME": "/home/a"}, "", `error: service "."`},
		{nil, "shop", "error: neither SEGUE_STORE nor HOME is set"},
	} {
		got, err := defaultPath(func(name string) string { return c.env[name] }, c.program)
		if err != nil {
			got = strings.Replace(err.Error(), "store:", "error:", 1)
		}
		if got != c.want && (err == nil || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%v %s: got %s, want %s", c.env, c.program, got, c.want)
		}
	}
}
