package analysis

import "math"

// An excess tests, block by block, the hypothesis that the share q of the new
// release is at most p+within, where p is the old one's in the same block; p, q
// and within may differ from block to block. Its zero value is ready.
//
// It bets on alternatives. For a block of n old requests, of which x, and m new
// ones, of which y have what is counted, and an alternative (p', q') that was
// chosen before, the bet pays
//
//	S = (p'/p°)^x ((1-p')/(1-p°))^(n-x) (q'/q°)^y ((1-q')/(1-q°))^(m-y)
//
// where (p°, q°) with q° = p°+within is the point of the hypothesis that is
// nearest to (p', q') by the Kullback-Leibler divergence n·KL(p'‖p)+m·KL(q'‖q).
//
// Under (p, q) the mean of S is A(p)^n B(q)^m with A and B linear. Its logarithm
// is concave, is 0 at (p°, q°), and has there the gradient of minus the divergence.
// As the hypothesis is convex, that gradient points out of it at its nearest
// point, so that the mean is at most 1 in all of it. If requests of a block
// differ among each other, the inequality of the means gives the same for their
// average.
type excess struct {
	bets   [len(stakes)]float64 // worth of what was bet, by alternative
	blocks int
}

// stakes are the alternatives: how far the new share is above the limit, as a
// part of what there is above it.
var stakes = [...]float64{0.01, 0.03, 0.08, 0.2, 0.5, 0.95}

// most is what one block can multiply the evidence by.
const most = 10

// A sample is what an excess is fed with.
type sample struct {
	n, x   float64 // old: requests, and those of them that count
	m, y   float64 // new
	guess  float64 // the old share, as known before the block; above 0, below 1
	within float64 // tolerated beyond it
	fixed  bool    // the limit is guess+within itself; n is 0
	design float64 // the design effect: 1 for independent requests
}

// add bets on a block.
func (e *excess) add(s sample) {
	limit := s.guess + s.within
	if limit >= 1 || s.m == 0 {
		return // nothing can be beyond it
	}
	e.blocks++
	// Of the stake of 1, the part 1/k(k+1) is bet from block k on; it sums to 1.
	fresh := 1 / float64(e.blocks*(e.blocks+1)) / float64(len(stakes))
	for i, part := range stakes {
		pays := math.Exp(s.logRatio(s.guess, limit+(1-limit)*part) / s.design)
		e.bets[i] = min((e.bets[i]+fresh)*min(pays, most), 1e100)
	}
}

// odds is what the stake of 1 has become: under the hypothesis, the chance that
// it ever reaches 1/a is at most a.
func (e *excess) odds() float64 {
	sum := 1 / float64(e.blocks+1) // not bet yet
	for _, bet := range e.bets {
		sum += bet
	}
	return sum
}

// logRatio is the logarithm of S for the alternative (p, q).
func (s sample) logRatio(p, q float64) float64 {
	p0, q0 := p, p+s.within
	if !s.fixed {
		p0 = s.nearest(p, q)
		q0 = p0 + s.within
	}
	return logs(s.x, p/p0) + logs(s.n-s.x, (1-p)/(1-p0)) + logs(s.y, q/q0) + logs(s.m-s.y, (1-q)/(1-q0))
}

// logs is n times the logarithm of ratio, which is dear and often for nothing.
func logs(n, ratio float64) float64 {
	if n == 0 {
		return 0
	}
	return n * math.Log(ratio)
}

// nearest is p°: where the derivative of the divergence along q = p+within is 0.
// The divergence is convex, so Newton's steps are kept between what is too low
// and what is too high.
func (s sample) nearest(p, q float64) float64 {
	low, high := p, q-s.within
	at := (s.n*low + s.m*high) / (s.n + s.m)
	if s.within == 0 || s.n == 0 {
		return at
	}
	for range 50 {
		u, v := at*(1-at), (at+s.within)*(1-at-s.within)
		r := at + s.within
		f := s.n*(at-p)/u + s.m*(r-q)/v
		if f > 0 {
			high = at
		} else {
			low = at
		}
		next := at - f/(s.n*(at*at-2*p*at+p)/(u*u)+s.m*(r*r-2*q*r+q)/(v*v))
		if next <= low || next >= high {
			next = (low + high) / 2
		}
		if math.Abs(next-at) <= 1e-8*at {
			return next
		}
		at = next
	}
	return at
}
