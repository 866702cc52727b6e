package manifest

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/seguehq/segue/internal/deploy"
)

// Port is what the program is to listen on, which is $PORT: that of the first
// address, or 8080 where only root may have that one; 0 for a worker.
func Port(spec *deploy.Service) int32 {
	if spec.Worker() {
		return 0
	}
	if p := portOf(spec.Listen[0]); p >= 1024 {
		return p
	}
	return 8080
}

// portOf is the port of host:port; 0 if it has none.
func portOf(address string) int32 {
	n, _ := strconv.ParseUint(address[strings.LastIndexByte(address, ':')+1:], 10, 16) // 0 where there is none
	return int32(n)
}

// variables are those that every pod has beside the service's own, as an instance
// has them on one machine. The values of the service's are in a Secret.
func variables(spec *deploy.Service, o Options) []corev1.EnvVar {
	var vars []corev1.EnvVar
	add := func(name, value string) { vars = append(vars, corev1.EnvVar{Name: name, Value: value}) }
	if !spec.Worker() {
		add("PORT", strconv.Itoa(int(Port(spec))))
	}
	add("SEGUE_SERVICE", spec.Name)
	if o.Release > 0 {
		add("SEGUE_RELEASE", strconv.Itoa(o.Release))
	}
	if m := spec.Migrate; m != nil && m.Views != "" && o.Release == 0 { // else it is in the environment's Secret
		add("SEGUE_SCHEMA", m.Views)
	}
	add("SEGUE_STOP_TIMEOUT", StopTime(spec).String())
	return append(vars, corev1.EnvVar{Name: "SEGUE_INSTANCE", ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.name"}}})
}

// command writes the service's variables as Kubernetes does: $NAME becomes
// $(NAME), for names that the container has. Everything else with a dollar stays
// what it is to the program, for which it is doubled.
func command(argv, envNames []string, vars []corev1.EnvVar) []string {
	const mark = "\x00" // no argument has one
	marked := deploy.Environment{}
	for _, name := range envNames {
		marked[name] = mark + name + mark
	}
	for _, v := range vars {
		marked[v.Name] = mark + v.Name + mark
	}
	out := make([]string, len(argv))
	for i, word := range argv {
		var b strings.Builder
		for j, part := range strings.Split(deploy.Expand(word, marked), mark) {
			if j%2 == 1 {
				b.WriteString("$(" + part + ")")
			} else {
				b.WriteString(strings.ReplaceAll(part, "$", "$$"))
			}
		}
		out[i] = b.String()
	}
	return out
}

// probeCommand puts in what is known of the variables: a kubelet replaces none in
// a probe's command.
func probeCommand(spec *deploy.Service, argv []string) []string {
	known := deploy.Environment{}
	for _, v := range variables(spec, Options{}) {
		if v.ValueFrom == nil {
			known[v.Name] = v.Value
		}
	}
	out := make([]string, len(argv))
	for i, word := range argv {
		out[i] = deploy.Expand(word, known)
	}
	return out
}
