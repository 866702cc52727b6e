package featureflag

import "fmt"

var importances = map[Importance]string{Low: "low", Normal: "normal", High: "high", Critical: "critical"}

// String is the word that Metadata and segue.yaml have for it.
func (i Importance) String() string {
	if s, ok := importances[i]; ok {
		return s
	}
	return fmt.Sprintf("Importance(%d)", int(i))
}

// Before tells whether i is turned down before j.
func (i Importance) Before(j Importance) bool { return i.rank() < j.rank() }

// rank is the order in which things are turned down; the constants' order makes
// Normal the zero value.
func (i Importance) rank() int {
	switch i {
	case Low:
		return 0
	case High:
		return 2
	case Critical:
		return 3
	}
	return 1
}

// ParseImportance reads a word that String gives; "" is Normal.
func ParseImportance(s string) (Importance, error) {
	if s == "" {
		return Normal, nil
	}
	for i, word := range importances {
		if s == word {
			return i, nil
		}
	}
	return Normal, fmt.Errorf("importance %q is none of low, normal, high, critical", s)
}

// Importance is what Metadata says; Normal if it says nothing that is one.
func (d Definition) Importance() Importance {
	i, _ := d.importance()
	return i
}

func (d Definition) importance() (Importance, error) {
	v, ok := d.Metadata["importance"]
	if !ok {
		return Normal, nil
	}
	s, ok := v.(string)
	if !ok {
		return Normal, fmt.Errorf("importance %v is none of low, normal, high, critical", v)
	}
	return ParseImportance(s)
}

// Public tells whether Metadata shows the flag to browsers.
func (d Definition) Public() bool { return d.Metadata["public"] == true }
