package deploy

import "time"

// Retry bounds how many requests are sent again.
type Retry struct {
	Budget int `json:"budget"` // percent of the recent requests; 0: none
	Least  int `json:"least"`  // a second, however few the requests are
}

// Outlier says when an instance that keeps failing is put aside.
type Outlier struct {
	Failures int           `json:"failures"` // in a row
	For      time.Duration `json:"for"`      // times the number of the ejection
	Most     int           `json:"most"`     // percent of the instances, at least 1
	Errors   bool          `json:"errors"`   // answers of 500 and above are failures, too
}

// Mirror says of which requests copies are sent to another service.
type Mirror struct {
	To      string `json:"to"`
	Percent int    `json:"percent"`
	MaxBody int64  `json:"max_body"` // bytes; 0: only requests without a body
	Unsafe  bool   `json:"unsafe"`   // all methods, not only GET and HEAD
}

// Sticky names the cookie that keeps a client with its instance.
type Sticky struct {
	Cookie string        `json:"cookie"`
	TTL    time.Duration `json:"ttl"` // 0: until the browser ends
}

// Rate bounds the requests of each client address.
type Rate struct {
	Requests int           `json:"requests"`
	Per      time.Duration `json:"per"`
	Burst    int           `json:"burst"` // at once, after a rest
}
