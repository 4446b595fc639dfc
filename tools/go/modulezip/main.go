// Command modulezip makes the same zip as `go mod download` does of a module in a git commit, or prints the h1 of a zip.
//
//	modulezip -repo DIR -revision COMMIT -subdir packages/go-cqc -module PATH -version v1.2.3 -out FILE
//	modulezip -hash FILE
package main

import (
	"flag"
	"fmt"
	"os"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

func main() {
	repo := flag.String("repo", ".", "folder of the git repository")
	revision := flag.String("revision", "HEAD", "commit to read")
	subdir := flag.String("subdir", "", "folder of the module inside the repository")
	path := flag.String("module", "", "path of the module")
	version := flag.String("version", "", "version of the module, canonical, with its v")
	out := flag.String("out", "", "file to write")
	hash := flag.String("hash", "", "module zip to print the h1 of")
	flag.Parse()
	if *hash != "" {
		sum, err := dirhash.HashZip(*hash, dirhash.Hash1)
		exitOn(err)
		fmt.Println(sum)
		return
	}
	exitOn(run(*repo, *revision, *subdir, module.Version{Path: *path, Version: *version}, *out))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "modulezip:", err)
		os.Exit(1)
	}
}

func run(repo, revision, subdir string, mod module.Version, out string) error {
	part := out + ".part"
	file, err := os.Create(part)
	if err != nil {
		return err
	}
	defer os.Remove(part)
	if err := zip.CreateFromVCS(file, mod, repo, revision, subdir); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(part, out)
}
