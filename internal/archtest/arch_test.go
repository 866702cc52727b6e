// Package archtest holds the import rules of ARCHITECTURE.md as a test. It
// parses the files itself: what a shelled-out `go list` says is not among the
// inputs that Go's test cache knows, and a stale pass would prove nothing.
package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/seguehq/segue/"

// rules says what each package may import of ours, and why no more. A package
// that is not here may not exist.
var rules = map[string]struct {
	may []string
	why string
}{
	"cmd/segue":       {[]string{"internal/cli", "internal/engine/process"}, "main does nothing but choose between the command line and the instance shim"},
	"drill":           {nil, "it is a library for anybody's tests, and a witness must not know the accused"},
	"check":           {[]string{"drill"}, "it is a library for anybody's tests, and judges any server alike"},
	"check/checktest": {[]string{"check"}, "what imports testing stays apart from what is linked into programs"},

	"lifecycle":               {nil, "it is a library for anybody's main, with or without the rest of us"},
	"lifecycle/lifecycletest": {[]string{"lifecycle", "check", "check/checktest", "drill"}, "what imports testing stays apart from what is linked into programs"},

	"store":                {nil, "a contract knows none of those who keep it"},
	"store/internal/hub":   {[]string{"store"}, "what drivers have in common"},
	"store/internal/queue": {[]string{"store"}, "the rules of a lock, for drivers that keep it where Go can change it"},
	"store/memory":         {[]string{"store", "store/internal/hub", "store/internal/queue"}, "a driver knows no other: who uses one links none of the rest"},
	"store/open":           {[]string{"store", "store/memory", "store/postgres", "store/redis", "store/sqlite"}, "the one place that knows all drivers"},
	"store/postgres":       {[]string{"store", "store/internal/hub"}, "a driver knows no other: who uses one links none of the rest"},
	"store/redis":          {[]string{"internal/redisdial", "store", "store/internal/hub"}, "a driver knows no other: who uses one links none of the rest"},
	"store/storetest":      {[]string{"store"}, "it holds any driver to the contract, also one of somebody else's"},

	"internal/servertest":     {[]string{"internal/servertest/mongo", "store", "store/memory", "store/open", "store/postgres", "store/redis", "store/sqlite"}, "a test that runs on every store names none"},
	"lock":                    {[]string{"internal/boottime", "store"}, "it rests on the contract, whatever driver is behind it"},
	"store/sqlite":            {[]string{"store", "store/internal/hub", "store/internal/queue"}, "a driver knows no other"},
	"featureflag":             {[]string{"internal/unknown", "store"}, "it rests on the contract, whatever driver is behind it"},
	"featureflag/openfeature": {[]string{"featureflag"}, "who does without the SDK links none of it"},
	"featureflag/ofrep":       {[]string{"featureflag"}, "it serves a Set, whoever keeps that"},
	"cache":                   {[]string{"store"}, "it rests on the contract, whatever driver is behind it"},
	"session":                 {[]string{"internal/unknown", "store"}, "it rests on the contract, whatever driver is behind it"},
	"job":                     {[]string{"internal/boottime", "lifecycle", "store"}, "it rests on the contract, whatever driver is behind it"},
	"message/outbox":          {[]string{"lifecycle", "message"}, "it publishes to whatever broker, out of whatever database"},
	"message/kafka":           {[]string{"message"}, "a driver knows no other: who uses one links none of the rest"},
	"message":                 {[]string{"internal/unknown", "lifecycle", "store"}, "it knows no broker: who uses one links none of the rest"},
	"message/embedded":        {[]string{"message", "store"}, "it rests on the contract, whatever driver is behind it"},
	"message/redis":           {[]string{"internal/redisdial", "message"}, "a driver knows no other: who uses one links none of the rest"},
	"message/open":            {[]string{"message", "message/embedded", "message/kafka", "message/rabbitmq", "message/redis", "store", "store/open"}, "it is the one place that knows the drivers"},
	"message/rabbitmq":        {[]string{"message"}, "a driver knows no other: who uses one links none of the rest"},
	"message/messagetest":     {[]string{"message"}, "it holds any broker to the contract, also one of somebody else's"},

	"job/shedlock":                 {[]string{"job/shedlock/internal/record"}, "what all records have in common knows no database"},
	"job/shedlock/internal/record": {[]string{"job"}, "what all records have in common knows no database"},
	"job/shedlock/mongodb":         {[]string{"job", "job/shedlock/internal/record"}, "a driver knows no other: who uses one links none of the rest"},
	"job/shedlock/redis":           {[]string{"job", "job/shedlock/internal/record"}, "a driver knows no other: who uses one links none of the rest"},
	"job/shedlock/sql":             {[]string{"job", "job/shedlock/internal/record"}, "a driver knows no other: who uses one links none of the rest"},
	"job/shedlock/shedlocktest":    {[]string{"job", "job/shedlock"}, "it holds any guard to its promises, also one of somebody else's"},
	"internal/servertest/mongo":    {nil, "a server knows none of its clients"},

	"migrate":                    {[]string{"migrate/internal/backfill", "migrate/internal/dialect", "migrate/internal/gate", "migrate/internal/operation", "migrate/internal/phased", "migrate/internal/script", "migrate/internal/versions"}, "it is a library for anybody's deploy tool, and holds what it knows in the database itself"},
	"migrate/internal/dialect":   {nil, "what databases do differently knows nothing of what is done to them"},
	"migrate/internal/gate":      {[]string{"migrate/internal/script"}, "it judges text, and asks no database"},
	"migrate/internal/operation": {nil, "a file is read without a database"},
	"migrate/internal/phased":    {[]string{"migrate/internal/dialect", "migrate/internal/script"}, "files become statements: what is there is asked of nobody"},
	"migrate/internal/backfill":  {[]string{"migrate/internal/dialect", "migrate/internal/script"}, "it walks a table, whoever says which and why"},
	"migrate/internal/script":    {nil, "a change is data, whoever writes or runs it"},
	"migrate/internal/versions":  {[]string{"migrate/internal/dialect", "migrate/internal/operation", "migrate/internal/phased", "migrate/internal/script"}, "operations become data: what runs it need not know them"},

	"internal/redisdial": {nil, "it opens a connection, whoever speaks through it"},
	"internal/boottime":  {nil, "leases are everybody's"},
	"internal/unknown":   {nil, "it reads JSON, whoever has sent or kept it"},

	"internal/clock":             {nil, "time is everybody's"},
	"internal/calendar":          {[]string{"internal/deploy"}, "it decides from a calendar and a time alone"},
	"internal/source":            {nil, "it reads repositories, whatever becomes of what is in them"},
	"internal/deploy":            {nil, "the nouns do no I/O and know nobody"},
	"internal/analysis":          {nil, "statistics know numbers, not whose they are"},
	"internal/config":            {[]string{"internal/calendar", "internal/deploy"}, "a file becomes a deploy.Service, whoever wants it"},
	"internal/rollout":           {[]string{"internal/deploy"}, "the story of a deploy names what it needs as interfaces"},
	"internal/journal":           {[]string{"internal/deploy"}, "it writes the nouns down and decides nothing"},
	"internal/probe":             {[]string{"internal/deploy"}, "it asks a process, however that was started"},
	"internal/engine/ecs":        {[]string{"internal/deploy"}, "it tells ECS what to do, and knows nothing of agents, processes and clusters"},
	"internal/engine/kubernetes": {[]string{"internal/deploy", "internal/engine/kubernetes/manifest", "internal/probe", "internal/rollout"}, "it changes a cluster, and knows nothing of agents and processes"},
	"internal/engine/process":    {[]string{"internal/deploy"}, "it runs a command and knows nothing of rollouts"},
	"internal/image":             {[]string{"internal/engine/process"}, "it packs files and speaks with a registry, whoever runs the image"},
	"internal/proxy":             {[]string{"internal/proxy/h2", "internal/proxy/wire"}, "it is a process of its own, and stays one only if it needs nothing of ours but its parts"},
	"internal/proxy/h2":          {nil, "it speaks HTTP/2 with a client, whoever answers"},
	"internal/proxy/wire":        {nil, "it reads bytes and does no I/O"},
	"internal/webhook":           {nil, "it sends bytes to a URL, whatever they tell"},
	"internal/control":           {[]string{"internal/deploy"}, "both ends of a wire, and nothing of what is behind them"},

	"internal/engine/ecs/ecstest":         {nil, "it answers as AWS does, and must know nothing of who asks"},
	"internal/engine/kubernetes/drilljob": {[]string{"drill", "internal/engine/kubernetes"}, "a drill is asked of the cluster like anything else"},
	"internal/engine/kubernetes/manifest": {[]string{"internal/deploy"}, "a service becomes objects without a cluster being asked"},

	"internal/lint":            {nil, "it reads files and knows no rule"},
	"internal/lint/kubernetes": {[]string{"internal/lint"}, "rules for one kind of file know nothing of another"},
	"internal/lint/compose":    {[]string{"internal/lint"}, "rules for one kind of file know nothing of another"},
	"internal/lint/systemd":    {[]string{"internal/lint"}, "rules for one kind of file know nothing of another"},
	"internal/lint/linttest":   {[]string{"internal/lint"}, "it holds any set of rules to its documentation"},

	"internal/agent": {[]string{"featureflag", "internal/analysis", "internal/calendar", "internal/clock", "internal/control", "internal/deploy", "internal/engine/process", "internal/journal",
		"internal/probe", "internal/proxy", "internal/rollout", "internal/webhook", "store", "store/open"}, "the composition root"},
	"internal/cli": {[]string{"check", "drill", "featureflag", "featureflag/ofrep", "internal/agent", "internal/calendar", "internal/config", "internal/control", "internal/deploy",
		"internal/engine/ecs", "internal/engine/kubernetes", "internal/engine/kubernetes/drilljob", "internal/engine/kubernetes/manifest", "internal/engine/process", "internal/image", "internal/journal", "internal/lint", "internal/lint/compose", "internal/lint/kubernetes",
		"internal/lint/systemd", "internal/proxy", "internal/source", "job", "message", "migrate", "page", "store", "store/open"}, "it starts each of the processes and shows what they tell"},

	"page": {nil, "a script for browsers knows nothing of who serves it"},

	"internal/archtest": {nil, "this"},
	"internal/doctest":  {nil, "it holds any package to its page"},
}

// free are folders outside the house: tests and examples may use what a user
// may, and what they test.
var free = []string{"test", "bench", "examples"}

func TestImports(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if outside(rel, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(rel))
		seen[pkg] = true
		check(t, pkg, path, strings.HasSuffix(path, "_test.go"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range rules {
		if !seen[pkg] {
			t.Errorf("there is a rule for %s, and no such package", pkg)
		}
	}
}

func outside(rel, name string) bool {
	for _, f := range free {
		if rel == f {
			return true
		}
	}
	return rel != "." && strings.HasPrefix(rel, "..") || name == "testdata" || name == "bin" || strings.HasPrefix(name, ".") && rel != "." && name != ".."
}

// check holds a file to the rule of its package. Tests may import what helps
// tests, and an example what its reader would: a store.
func check(t *testing.T, pkg, path string, isTest bool) {
	t.Helper()
	rule, ok := rules[pkg]
	if !ok {
		t.Errorf("%s: no rule for package %s; add one here and a row in ARCHITECTURE.md", path, pkg)
		return
	}
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Error(err)
			continue
		}
		ours, ok := strings.CutPrefix(imported, module)
		if !ok || allowed(rule.may, ours) || isTest && (ours == pkg || strings.HasPrefix(ours, pkg+"/") || strings.HasSuffix(ours, "test")) ||
			filepath.Base(path) == "example_test.go" && strings.HasPrefix(ours, "store/") {
			continue
		}
		t.Errorf("%s imports %s; it may not: %s", path, ours, rule.why)
	}
}

func allowed(may []string, pkg string) bool {
	for _, m := range may {
		if m == pkg {
			return true
		}
	}
	return false
}

// TestSize keeps files readable in one sitting.
func TestSize(t *testing.T) {
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.IsDir() && (strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2) {
				return filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if n := strings.Count(string(data), "\n"); n > 600 {
			t.Errorf("%s has %d lines; what reads in one sitting has fewer than 600", path, n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
