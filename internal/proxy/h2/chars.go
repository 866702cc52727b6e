package h2

import (
	"net/http"
	"strings"
)

// What a byte may be part of.
const (
	inToken = 1 << iota // RFC 9110 §5.6.2
	inLower             // a token without upper case (RFC 9113 §8.2.1)
	inValue             // RFC 9110 §5.5, with obs-text
	inPath              // a path that needs no decoding, and is encoded as itself
)

var chars = func() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		digit := '0' <= c && c <= '9'
		if letter || digit || c != 0 && strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 {
			t[i] |= inToken
			if !letter || c >= 'a' {
				t[i] |= inLower
			}
		}
		if c == '\t' || c >= ' ' && c != 0x7f {
			t[i] |= inValue
		}
		if letter || digit || c != 0 && strings.IndexByte("-_.~/$&+,:;=@", c) >= 0 {
			t[i] |= inPath
		}
	}
	return t
}()

func all(s string, what uint8) bool {
	for i := range len(s) {
		if chars[s[i]]&what == 0 {
			return false
		}
	}
	return true
}

func validName(s string) bool  { return s != "" && all(s, inLower) }
func validToken(s string) bool { return s != "" && all(s, inToken) }

// validValue is RFC 9113 §8.2.1, and RFC 9110 §5.5 for other control bytes.
func validValue(s string) bool {
	if s == "" {
		return true
	}
	first, last := s[0], s[len(s)-1]
	return first > ' ' && last > ' ' && all(s, inValue)
}

// validTarget is RFC 9113 §8.3.1: a path, or an asterisk for OPTIONS.
func validTarget(s, method string) bool {
	if s == "*" {
		return method == http.MethodOptions
	}
	if s[0] != '/' {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f || s[i] == '#' {
			return false
		}
	}
	return true
}

// plainPath tells whether s is a path that url.Parse would take as it is. A
// query may follow, of whatever validTarget has let in.
func plainPath(s string) bool {
	if i := strings.IndexByte(s, '?'); i >= 0 {
		s = s[:i]
	}
	return all(s, inPath)
}

// common are fields that are seen often: their lower-case names and canonical
// ones, in both directions.
var canonicals, lowers = func() (up, down map[string]string) {
	up, down = map[string]string{}, map[string]string{}
	for k := range strings.FieldsSeq(common) {
		c := http.CanonicalHeaderKey(k)
		up[k], down[c] = c, k
	}
	return up, down
}()

const common = `accept accept-charset accept-encoding accept-language accept-ranges access-control-allow-credentials
access-control-allow-headers access-control-allow-methods access-control-allow-origin access-control-expose-headers
access-control-max-age access-control-request-headers access-control-request-method age allow alt-svc authorization
cache-control content-disposition content-encoding content-language content-length content-location content-range
content-security-policy content-type cookie cross-origin-opener-policy cross-origin-resource-policy date dnt etag
expect expires forwarded from grpc-accept-encoding grpc-encoding grpc-message grpc-status grpc-timeout host
idempotency-key if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive last-event-id
last-modified link location max-forwards origin permissions-policy pragma priority proxy-authenticate
proxy-authorization range referer referrer-policy refresh retry-after sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform
sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user segue-drill segue-drill-id segue-error segue-instance
segue-release server server-timing set-cookie strict-transport-security te trailer traceparent tracestate
transfer-encoding upgrade-insecure-requests user-agent vary via www-authenticate x-content-type-options
x-forwarded-for x-forwarded-host x-forwarded-proto x-frame-options x-powered-by x-real-ip x-request-id
x-requested-with x-xss-protection`

func canonical(name string) string {
	if k, ok := canonicals[name]; ok {
		return k
	}
	return http.CanonicalHeaderKey(name)
}

func lower(name string) string {
	if k, ok := lowers[name]; ok {
		return k
	}
	return strings.ToLower(name)
}
