package ecs

// Tags of ours, on services and task definitions.
const (
	tagManager = "segue:managed-by" // its value is manager
	tagWho     = "segue:who"        // made this revision
	tagWhy     = "segue:why"
	tagDigest  = "segue:digest" // of what the revision was made from

	manager = "segue"
)
