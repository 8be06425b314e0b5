// Package openapi has the description of the relay's API: every route, schema and
// problem, in OpenAPI 3.1. Package handler's tests hold it to the route table and
// the problem codes.
package openapi

import _ "embed"

//go:embed openapi.json
var document []byte

// Document returns the description as JSON. It must not be changed.
func Document() []byte { return document }
