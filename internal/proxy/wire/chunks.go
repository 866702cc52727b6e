package wire

// Chunks follows a chunked body (RFC 9112 §7.1) through whatever pieces it
// arrives in. The zero value stands before its first byte.
type Chunks struct {
	Data  int64 // bytes of content so far
	left  int64 // of the current chunk
	extra int   // bytes of extensions so far
	digit uint8 // of the current size
	state uint8
}

const (
	atSize uint8 = iota
	inExtension
	afterSize // the CR was seen
	inData
	afterData
	afterDataCR
	atTrailer
)

// mostExtra bounds all extensions of a body: nobody uses them, but to hide
// something.
const mostExtra = 4 << 10

// Scan goes over b and gives how many of its bytes belong to the chunks. last
// tells that the last chunk has gone by: behind n begins the trailer section,
// which is at least an empty line.
func (c *Chunks) Scan(b []byte) (n int, last bool, err error) {
	for n < len(b) {
		switch c.state {
		case inData:
			take := min(c.left, int64(len(b)-n))
			n += int(take)
			c.Data += take
			if c.left -= take; c.left == 0 {
				c.state = afterData
			}
		case atTrailer:
			return n, true, nil
		default:
			if err := c.step(b[n]); err != nil {
				return n, false, err
			}
			n++
		}
	}
	return n, c.state == atTrailer, nil
}

// step takes one byte of the framing.
func (c *Chunks) step(b byte) error {
	switch c.state {
	case atSize:
		return c.size(b)
	case inExtension:
		if b == '\r' {
			c.state = afterSize
			return nil
		}
		if c.extra++; class[b]&isValue == 0 || c.extra > mostExtra {
			return errChunk
		}
	case afterSize:
		if b != '\n' {
			return errChunk
		}
		c.digit = 0
		if c.state = inData; c.left == 0 {
			c.state = atTrailer
		}
	case afterData:
		if b != '\r' {
			return errChunk
		}
		c.state = afterDataCR
	case afterDataCR:
		if b != '\n' {
			return errChunk
		}
		c.state = atSize
	}
	return nil
}

func (c *Chunks) size(b byte) error {
	switch {
	case class[b]&isHex != 0:
		if c.digit++; c.digit > 15 {
			return errChunk
		}
		d := int64(b - '0')
		if b > '9' {
			d = int64(b|0x20-'a') + 10
		}
		c.left = c.left<<4 | d
		return nil
	case c.digit == 0:
	case b == ';':
		c.state = inExtension
		return nil
	case b == '\r':
		c.state = afterSize
		return nil
	}
	return errChunk
}
