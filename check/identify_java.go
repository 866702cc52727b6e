package check

import (
	"archive/zip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// asJava goes by the archives that the process has open, those of its class
// path, and those inside a Spring Boot archive.
func asJava(_ context.Context, e evidence) (Server, bool) {
	if filepath.Base(e.exe) != "java" {
		return Server{}, false
	}
	s := Server{Name: "java", Runtime: "java", Version: javaVersion(e.exe)}
	jars := e.jars()
	for _, lib := range javaLibraries() {
		if i := slices.IndexFunc(jars, func(jar string) bool { return strings.HasPrefix(jar, lib.jar) }); i >= 0 && !s.uses(lib.name) {
			s.Uses = append(s.Uses, strings.TrimSpace(lib.name+" "+jarVersion(jars[i])))
		}
	}
	return s, true
}

// A javaLibrary is known by how its archive's name begins.
type javaLibrary struct{ jar, name string }

func javaLibraries() []javaLibrary {
	return []javaLibrary{{"spring-boot-", "spring-boot"}, {"quarkus-core-", "quarkus"}, {"io.quarkus.quarkus-core-", "quarkus"},
		{"micronaut-http-server-", "micronaut"}, {"tomcat-embed-core-", "tomcat"}, {"tomcat10-embed-core", "tomcat"}, {"tomcat9-embed-core", "tomcat"},
		{"catalina", "tomcat"}, {"tomcat-coyote", "tomcat"}, {"tomcat10-coyote", "tomcat"}, {"tomcat9-coyote", "tomcat"}, {"tomcat10-catalina", "tomcat"}, {"tomcat9-catalina", "tomcat"},
		{"jetty9-server", "jetty"}, {"jetty-server", "jetty"}, {"undertow-core-", "undertow"}, {"reactor-netty-http-", "reactor-netty"}, {"vertx-core-", "vertx"},
		{"helidon-webserver-", "helidon"}, {"grpc-netty-", "grpc"}, {"netty-transport-", "netty"}, {"netty-", "netty"}}
}

// jars are the names of the archives, without their folders.
func (e evidence) jars() []string {
	var paths []string
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", e.pid))
	for _, fd := range fds {
		if file, _ := os.Readlink(fd); strings.HasSuffix(file, ".jar") || strings.HasSuffix(file, ".war") {
			paths = append(paths, file)
		}
	}
	paths = append(paths, option(e.argv, "-jar", "-jar"))
	for _, flag := range []string{"-cp", "-classpath", "--class-path"} {
		paths = append(paths, filepath.SplitList(option(e.argv, flag, flag))...)
	}
	var names []string
	for _, path := range paths {
		names = append(names, filepath.Base(path))
		if !filepath.IsAbs(path) {
			path = filepath.Join(e.dir, path)
		}
		names = append(names, jarsIn(path)...)
	}
	return names
}

// jarsIn are the archives inside of one, as Spring Boot packs them.
func jarsIn(path string) []string {
	z, err := zip.OpenReader(path)
	if err != nil {
		return nil
	}
	defer z.Close()
	var names []string
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, ".jar") {
			names = append(names, filepath.Base(f.Name))
		}
	}
	return names
}

// jarVersion is what stands behind the last hyphen before a number.
func jarVersion(jar string) string {
	m := jarNumber.FindStringSubmatch(jar)
	if m == nil {
		return ""
	}
	return m[1]
}

var jarNumber = regexp.MustCompile(`-([0-9]+\.[0-9A-Za-z.]*[0-9A-Za-z])(?:-[^/]*)?\.jar$`)

var releaseVersion = regexp.MustCompile(`(?m)^JAVA_VERSION="([^"]+)"`)

// javaVersion stands in the file release beside the folder of the executable.
func javaVersion(exe string) string {
	b, _ := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(exe)), "release"))
	if m := releaseVersion.FindSubmatch(b); m != nil {
		return string(m[1])
	}
	return ""
}
