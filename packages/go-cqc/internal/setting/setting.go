// Package setting has what the client and the server share: the error for an invalid setting, and reading PEM files.
package setting

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// Error reports a setting that a client or server cannot start with.
type Error struct {
	// Setting is the setting, such as "CQC_TARGET", "ca" or "plaintext".
	Setting string
	// Problem states what is wrong.
	Problem string
	// Fix states what to do.
	Fix string
}

// New returns an error for a setting.
func New(setting, problem, fix string) *Error {
	return &Error{Setting: setting, Problem: problem, Fix: fix}
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s; %s", e.Setting, e.Problem, e.Fix)
}

// Pool returns the certificates of a PEM file.
func Pool(setting, path string) (*x509.CertPool, error) {
	content, err := read(setting, path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, New(setting, path+" has no certificates", "give the path of a PEM file with the certificates of the CA")
	}
	return pool, nil
}

// Pair returns the certificate and the private key in two PEM files, and nil if neither is set.
func Pair(certificate, key string) ([]tls.Certificate, error) {
	switch {
	case certificate == "" && key == "":
		return nil, nil
	case certificate == "":
		return nil, New("certificate", "missing beside Key", "give the path of the key's certificate")
	case key == "":
		return nil, New("key", "missing beside Certificate", "give the path of the certificate's private key")
	}
	certificates, err := read("certificate", certificate)
	if err != nil {
		return nil, err
	}
	private, err := read("key", key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificates, private)
	if err != nil {
		problem := fmt.Sprintf("%s and %s cannot be used: %v", certificate, key, err)
		return nil, New("certificate", problem, "give the certificate and its private key as PEM files")
	}
	return []tls.Certificate{pair}, nil
}

func read(setting, path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err == nil && len(content) == 0 {
		err = fmt.Errorf("%s is empty", path)
	}
	if err != nil {
		return nil, New(setting, err.Error(), "give the path of a readable PEM file")
	}
	return content, nil
}
