package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"strconv"
	"strings"
)

// The PROXY protocol tells, in front of all else on a connection, whose it is:
// https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt. Section numbers
// below are that text's.

// Versions of the PROXY protocol that can be sent to instances.
const (
	ProxyV1 = "v1" // a line of text (§2.1)
	ProxyV2 = "v2" // binary (§2.2)
)

// proxyHeader is what such a header tells.
type proxyHeader struct {
	// from and to are the ends of the connection that the client has opened;
	// invalid where the header does not tell them: then the connection is the
	// sender's own (LOCAL: a health check), or of a kind without addresses.
	from, to netip.AddrPort
}

// errMore says that a header has begun well and is not whole yet.
var errMore = errors.New("the PROXY header is not whole")

type badProxyHeader string

func (e badProxyHeader) Error() string { return "PROXY header: " + string(e) }

const (
	v1Begins = "PROXY "
	v1Most   = 107 // bytes, with the line's end
	v2Begins = "\r\n\r\n\x00\r\nQUIT\n"
	v2Fixed  = 16
	v2Most   = 4 << 10 // bytes behind the fixed part; a sender of more is refused
)

// parseProxyHeader reads the header that b begins with, and tells its length.
// While that is not whole the error is errMore.
func parseProxyHeader(b []byte) (h proxyHeader, n int, err error) {
	switch {
	case beginsWith(b, v2Begins):
		return parseV2(b)
	case beginsWith(b, v1Begins):
		return parseV1(b)
	}
	return h, 0, badProxyHeader("there is none")
}

// beginsWith tells whether b begins with start as far as it goes.
func beginsWith(b []byte, start string) bool {
	n := min(len(b), len(start))
	return string(b[:n]) == start[:n]
}

// parseV1 reads the text form, in which everything is one space apart.
func parseV1(b []byte) (h proxyHeader, n int, err error) {
	end := bytes.IndexByte(b[:min(len(b), v1Most)], '\n')
	switch {
	case end < 0 && len(b) >= v1Most:
		return h, 0, badProxyHeader("the line is too long")
	case end < 0:
		return h, 0, errMore
	case b[end-1] != '\r':
		return h, 0, badProxyHeader("the line does not end with CR LF")
	}
	n = end + 1
	line := string(b[len(v1Begins) : end-1])
	if strings.ContainsRune(line, '\r') {
		return h, 0, badProxyHeader("a CR within the line")
	}
	family, rest, more := strings.Cut(line, " ")
	if family == "UNKNOWN" { // whatever else the line says is to be ignored
		return h, n, nil
	}
	parts := strings.Split(rest, " ")
	if !more || len(parts) != 4 || family != "TCP4" && family != "TCP6" {
		return h, 0, badProxyHeader("not a family, two addresses and two ports")
	}
	if h.from, err = parseV1End(parts[0], parts[2], family == "TCP4"); err != nil {
		return proxyHeader{}, 0, err
	}
	if h.to, err = parseV1End(parts[1], parts[3], family == "TCP4"); err != nil {
		return proxyHeader{}, 0, err
	}
	return h, n, nil
}

func parseV1End(addr, port string, v4 bool) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil || a.Is4() != v4 || a.Zone() != "" {
		return netip.AddrPort{}, badProxyHeader("an address is none of its family")
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(p, 10) != port { // no sign, no leading zero
		return netip.AddrPort{}, badProxyHeader("a port is none")
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), nil
}

// parseV2 reads the binary form.
func parseV2(b []byte) (h proxyHeader, n int, err error) {
	if len(b) < v2Fixed {
		return h, 0, errMore
	}
	rest := int(binary.BigEndian.Uint16(b[14:]))
	n = v2Fixed + rest
	switch command := b[12]; {
	case command != 0x20 && command != 0x21:
		return h, 0, badProxyHeader(fmt.Sprintf("version and command %#x", command))
	case rest > v2Most:
		return h, 0, badProxyHeader("it is too long")
	case len(b) < n:
		return h, 0, errMore
	case command == 0x20: // LOCAL: the family and what follows are to be ignored
		return h, n, nil
	}
	ends := b[v2Fixed:n]
	size, ok := map[byte]int{0x00: 0, 0x11: 4, 0x21: 16, 0x31: 108}[b[13]]
	switch {
	case !ok: // datagrams too: this is a connection
		return h, 0, badProxyHeader(fmt.Sprintf("family and transport %#x", b[13]))
	case size == 0: // UNSPEC: the addresses are to be ignored
		return h, n, nil
	case size == 108: // Unix sockets, whose paths say nothing here
		ends = ends[min(2*size, len(ends)):]
	case len(ends) < 2*size+4:
		return h, 0, badProxyHeader("the addresses are not whole")
	default:
		from, _ := netip.AddrFromSlice(ends[:size])
		to, _ := netip.AddrFromSlice(ends[size : 2*size])
		ports := ends[2*size:]
		h.from = netip.AddrPortFrom(from.Unmap(), binary.BigEndian.Uint16(ports))
		h.to = netip.AddrPortFrom(to.Unmap(), binary.BigEndian.Uint16(ports[2:]))
		ends = ports[4:]
	}
	if err := checkTLVs(b[:n], ends); err != nil {
		return proxyHeader{}, 0, err
	}
	return h, n, nil
}

const tlvChecksum = 0x03 // PP2_TYPE_CRC32C

// checkTLVs walks what stands behind the addresses (§2.2.1): each has its
// length, and a checksum has to fit the whole header. What they say is not used.
func checkTLVs(header, tlvs []byte) error {
	for len(tlvs) > 0 {
		if len(tlvs) < 3 || len(tlvs) < 3+int(binary.BigEndian.Uint16(tlvs[1:])) {
			return badProxyHeader("a TLV is not whole")
		}
		value := tlvs[3 : 3+int(binary.BigEndian.Uint16(tlvs[1:]))]
		if tlvs[0] == tlvChecksum && !checksumFits(header, value, len(header)-len(tlvs)+3) {
			return badProxyHeader("the checksum does not fit")
		}
		tlvs = tlvs[3+len(value):]
	}
	return nil
}

// checksumFits computes the CRC32C of a header with its own value, at the
// given place, taken as zero (§2.2.3).
func checksumFits(header, value []byte, at int) bool {
	if len(value) != 4 {
		return false
	}
	zeroed := bytes.Clone(header)
	clear(zeroed[at : at+4])
	return crc32.Checksum(zeroed, crc32.MakeTable(crc32.Castagnoli)) == binary.BigEndian.Uint32(value)
}

// appendProxyHeader writes a header for a connection from one address to
// another. Where one of them is not known it says so.
func appendProxyHeader(b []byte, version string, from, to netip.AddrPort) []byte {
	from, to = unmapped(from), unmapped(to)
	known := from.IsValid() && to.IsValid()
	v4 := known && from.Addr().Is4() && to.Addr().Is4()
	if version == ProxyV1 {
		return appendV1(b, known, v4, from, to)
	}
	b = append(b, v2Begins...)
	switch {
	case !known:
		return append(b, 0x21, 0x00, 0, 0)
	case v4:
		b = append(b, 0x21, 0x11, 0, 12)
		b = append(b, from.Addr().AsSlice()...)
		b = append(b, to.Addr().AsSlice()...)
	default: // one end may be of the other family: then both are written as IPv6
		f, t := from.Addr().As16(), to.Addr().As16()
		b = append(b, 0x21, 0x21, 0, 36)
		b = append(append(b, f[:]...), t[:]...)
	}
	b = binary.BigEndian.AppendUint16(b, from.Port())
	return binary.BigEndian.AppendUint16(b, to.Port())
}

func appendV1(b []byte, known, v4 bool, from, to netip.AddrPort) []byte {
	if !known {
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	family, text := "TCP4", netip.Addr.String
	if !v4 {
		family, text = "TCP6", func(a netip.Addr) string { return netip.AddrFrom16(a.As16()).String() }
	}
	return fmt.Appendf(b, "PROXY %s %s %s %d %d\r\n", family, text(from.Addr()), text(to.Addr()), from.Port(), to.Port())
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
