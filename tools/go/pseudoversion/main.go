// Command pseudoversion prints the version that Go gives to an untagged commit.
//
//	pseudoversion -commit HASH -time UNIXSECONDS [-major v2] [-older v2.1.3]
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

func main() {
	commit := flag.String("commit", "", "hash of the commit")
	seconds := flag.Int64("time", 0, "commit time, seconds since 1970")
	major := flag.String("major", "", "major version that the module's path names")
	older := flag.String("older", "", "highest release that the commit descends from")
	flag.Parse()
	if len(*commit) < 12 || (*older != "" && !semver.IsValid(*older)) {
		fmt.Fprintln(os.Stderr, "pseudoversion: -commit takes a full hash, -older a version such as v1.2.3")
		os.Exit(2)
	}
	if *major == "" {
		*major = semver.Major(*older)
	}
	fmt.Println(module.PseudoVersion(*major, *older, time.Unix(*seconds, 0), (*commit)[:12]))
}
