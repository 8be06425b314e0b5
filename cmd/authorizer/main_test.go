package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"omr-relay/internal/apikey"
)

// TestFixtures answers what API Gateway sends.
func TestFixtures(t *testing.T) {
	read := func(name string) []byte {
		event, err := os.ReadFile("../../events/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return event
	}
	const want = `{"principalId":"api-key","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow",` +
		`"Resource":"arn:aws:execute-api:eu-central-1:123456789012:exampleapi/prod/*"}]},"usageIdentifierKey":"example-api-key-of-nobody"}`
	got, err := apikey.Authorizer{}.Invoke(t.Context(), read("authorizer.json"))
	if err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	got, err = apikey.Authorizer{}.Invoke(t.Context(), read("authorizer-no-key.json"))
	if got != nil || err == nil || err.Error() != "Unauthorized" {
		t.Errorf("without a key: %s, %v", got, err)
	}
}

// TestImports: whoever calls the API reaches this function, so it has nothing of
// the relay's in it: no secret, no token, no client of AWS.
func TestImports(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	var built []string
	for list := json.NewDecoder(strings.NewReader(string(out))); list.More(); {
		var pkg struct{ ImportPath string }
		if err := list.Decode(&pkg); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(pkg.ImportPath, "omr-relay/") || strings.HasPrefix(pkg.ImportPath, "github.com/") {
			built = append(built, pkg.ImportPath)
		}
	}
	for _, pkg := range built {
		own := []string{"omr-relay/cmd/authorizer", "omr-relay/internal/apikey", "omr-relay/internal/bearer"}
		if !slices.Contains(own, pkg) && !strings.HasPrefix(pkg, "github.com/aws/aws-lambda-go/") {
			t.Errorf("built on %s", pkg)
		}
	}
	if len(built) < 4 {
		t.Errorf("listed %q alone", built)
	}
}
