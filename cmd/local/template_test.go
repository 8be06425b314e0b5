package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// What start-api takes for binary is what the deployed API does.
func TestBinaryTypesAreTheTemplates(t *testing.T) {
	template, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^ +BinaryMediaTypes: \[(.*)\]$`).FindSubmatch(template)
	if list == nil {
		t.Fatal("the template lists no BinaryMediaTypes")
	}
	if want := strings.ReplaceAll(string(list[1]), "~1", "/"); strings.Join(binaryTypes, ", ") != want {
		t.Errorf("%q, the template has %s", binaryTypes, want)
	}
}

// The page for callers names the same types.
func TestDocumentedBinaryTypes(t *testing.T) {
	page, err := os.ReadFile("../../docs/callers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, named, _ := strings.Cut(string(page), "carries binary bodies as ")
	named, _, _ = strings.Cut(named, ";")
	for _, kind := range binaryTypes {
		if !strings.Contains(named, "`"+kind+"`") {
			t.Errorf("docs/callers.md says %q, the template has %s too", named, kind)
		}
	}
}
