package h2

import "encoding/binary"

// Frame types (RFC 9113 §6).
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	framePriority     = 0x2
	frameReset        = 0x3
	frameSettings     = 0x4
	framePush         = 0x5
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindow       = 0x8
	frameContinuation = 0x9
)

// Flags.
const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// Settings (RFC 9113 §6.5.2).
const (
	settingTableSize     = 0x1
	settingPush          = 0x2
	settingStreams       = 0x3
	settingWindow        = 0x4
	settingFrameSize     = 0x5
	settingHeaderList    = 0x6
	settingNoPriorities  = 0x9 // RFC 9218 §2.1
	defaultWindow        = 65535
	maxWindow            = 1<<31 - 1
	maxStreamID          = 1<<31 - 1
	maxFrame             = 16 << 10 // what we take, and the largest that we send
	mostFrame            = 1<<24 - 1
	frameHeaderLen       = 9
	preface              = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	pingLen, priorityLen = 8, 5
)

// code is an error code (RFC 9113 §7).
type code uint32

const (
	codeNo          code = 0x0
	codeProtocol    code = 0x1
	codeInternal    code = 0x2
	codeFlow        code = 0x3
	codeClosed      code = 0x5
	codeFrameSize   code = 0x6
	codeRefused     code = 0x7
	codeCancel      code = 0x8
	codeCompression code = 0x9
	codeCalm        code = 0xb
)

// connError ends a connection (RFC 9113 §5.4.1).
type connError struct {
	code code
	why  string
}

func (e connError) Error() string { return "h2: " + e.why }

// streamError ends a stream (RFC 9113 §5.4.2).
type streamError struct {
	id   uint32
	code code
	why  string
}

func (e streamError) Error() string { return "h2: " + e.why }

// frame is a frame's header (RFC 9113 §4.1).
type frame struct {
	length int
	kind   uint8
	flags  uint8
	id     uint32
}

func parseFrame(b []byte) frame {
	return frame{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		kind:   b[3],
		flags:  b[4],
		id:     binary.BigEndian.Uint32(b[5:]) & maxStreamID,
	}
}

func (f frame) has(flag uint8) bool { return f.flags&flag != 0 }

// unpad takes the padding off a payload (RFC 9113 §6.1).
func (f frame) unpad(p []byte) ([]byte, error) {
	if !f.has(flagPadded) {
		return p, nil
	}
	if len(p) == 0 {
		return nil, connError{codeFrameSize, "padded frame without a length of its padding"}
	}
	pad := int(p[0])
	if pad >= len(p) {
		return nil, connError{codeProtocol, "padding is longer than the frame"}
	}
	return p[1 : len(p)-pad], nil
}

func appendFrame(b []byte, length int, kind, flags uint8, id uint32) []byte {
	b = append(b, byte(length>>16), byte(length>>8), byte(length), kind, flags)
	return binary.BigEndian.AppendUint32(b, id)
}

func appendReset(b []byte, id uint32, c code) []byte {
	b = appendFrame(b, 4, frameReset, 0, id)
	return binary.BigEndian.AppendUint32(b, uint32(c))
}

func appendWindow(b []byte, id uint32, n int) []byte {
	b = appendFrame(b, 4, frameWindow, 0, id)
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

func appendPing(b []byte, flags uint8, data []byte) []byte {
	b = appendFrame(b, pingLen, framePing, flags, 0)
	return append(b, data...)
}

func appendGoAway(b []byte, last uint32, c code) []byte {
	b = appendFrame(b, 8, frameGoAway, 0, 0)
	b = binary.BigEndian.AppendUint32(b, last)
	return binary.BigEndian.AppendUint32(b, uint32(c))
}

func appendSettings(b []byte, pairs ...[2]uint32) []byte {
	b = appendFrame(b, 6*len(pairs), frameSettings, 0, 0)
	for _, p := range pairs {
		b = binary.BigEndian.AppendUint16(b, uint16(p[0]))
		b = binary.BigEndian.AppendUint32(b, p[1])
	}
	return b
}
