package cqc

import (
	"runtime/debug"
	"sync"
)

const modulePath = "github.com/Combine-Capital/cqc/packages/go-cqc"

// Version returns the version of this module that is built into the running program, such as "v1.2.0".
//
// It is read from the build information that the go command records. It is "(devel)" in a program built inside the
// module's own checkout, or where a replace directive points to a folder, and "" in a program built without module
// support.
func Version() string { return version() }

var version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	if info.Main.Path == modulePath {
		return info.Main.Version
	}
	for _, dep := range info.Deps {
		if dep.Path != modulePath {
			continue
		}
		if dep.Replace != nil {
			dep = dep.Replace
		}
		if dep.Version == "" {
			return "(devel)"
		}
		return dep.Version
	}
	return ""
})
