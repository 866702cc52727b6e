package main

// rustRows is hyper as Debian has it. Axum is not among Debian's packages; what
// it called for its graceful shutdown until 0.6 is this.
func rustRows() []Row {
	return []Row{{
		Name: "hyper 0.14, as in Axum 0.6", Dir: "rust",
		Tools: []string{"cargo"}, Packages: []string{"librust-hyper-dev", "librust-tokio-dev", "librust-futures-util-dev"},
		Install:   []string{"cargo", "build", "--release", "--offline", "--locked", "--target-dir", "build"},
		Command:   []string{"build/release/hyper-app"},
		Version:   []string{"sh", "-c", "dpkg-query -W -f '${Package} ${Version}\\n' librust-hyper-dev librust-tokio-dev && rustc --version"},
		Slow:      "/slow",
		Stream:    "/stream",
		Upload:    "/upload",
		Events:    "/events",
		Published: "immediate hang-up",
		Remark: "Published for Axum, which Debian 12 does not have. Axum 0.6 hands its server to hyper's with_graceful_shutdown, which is what this row calls. " +
			"Before hyper 1.0 a connection that was opened and never used was waited for without end (hyper issue 2730).",
	}}
}
