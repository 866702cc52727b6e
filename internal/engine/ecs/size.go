package ecs

// sizes are what Fargate has: by CPU units the least and the most memory in MiB,
// and the steps between.
var sizes = []struct{ cpu, least, most, step int }{
	{256, 512, 2048, 1024}, // and 512
	{512, 1024, 4096, 1024},
	{1024, 2048, 8192, 1024},
	{2048, 4096, 16384, 1024},
	{4096, 8192, 30720, 1024},
	{8192, 16384, 61440, 4096},
	{16384, 32768, 122880, 8192},
}

// size refuses what Fargate does not have.
func (r *renderer) size() {
	cpu, memory := r.set.CPU, r.set.Memory
	for _, s := range sizes {
		if s.cpu != cpu {
			continue
		}
		if memory < s.least || memory > s.most || memory != s.least && memory%s.step != 0 {
			r.fault("ecs.memory", "choose one of these, or another cpu", "with %d CPU units Fargate has %d to %d MiB in steps of %d, not %d", cpu, s.least, s.most, s.step, memory)
		}
		if limit := int(r.spec.Limits.Memory >> 20); limit > memory {
			r.fault("ecs.memory", "raise it, or lower limits.memory", "the task has %d MiB, and limits.memory wants %d for the program", memory, limit)
		}
		return
	}
	r.fault("ecs.cpu", "choose 256, 512, 1024, 2048, 4096, 8192 or 16384", "Fargate has no tasks of %d CPU units", cpu)
}
