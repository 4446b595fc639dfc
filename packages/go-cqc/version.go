package cqc

import (
	"runtime/debug"
	"sync"
)

const modulePath = "github.com/Combine-Capital/cqc/packages/go-cqc"

// Version returns the version of this module in the running program, such as "v1.2.0".
//
// It reads the build information recorded by the go command. It returns "(devel)" if the program was built in the
// module's own checkout or with a replace directive that points to a folder, and "" if it was built without module
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
