package deploy

import "time"

// Skew is what is done for pages in browsers that were loaded from an older
// Release.
type Skew struct {
	// Stay is for how long one Instance of the Release that was replaced serves on
	// for its pages; 0 none does.
	Stay   time.Duration `json:"stay,omitempty"`
	Assets []Assets      `json:"assets,omitempty"`
}

// Assets are files below a path of requests, in a folder of the Release, that are
// served from all kept Releases.
type Assets struct {
	Path string `json:"path"` // begins and ends with a slash
	Dir  string `json:"dir"`  // relative to the Release's folder
}

// PagesStay is the name of the stage of a Rollout in which the new Release has
// taken over, and nothing is left but to wait for pages of the old one.
const PagesStay = "pages stay"

// Stays is how many Instances of the Release before this one are kept for its
// pages, of so many.
func (s *Service) Stays(of int) int {
	if s.Skew == nil || s.Skew.Stay == 0 || !s.Strategy.Overlap {
		return 0
	}
	return min(1, of)
}
