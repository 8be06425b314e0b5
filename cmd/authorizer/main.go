// Command authorizer is the API's Lambda authorizer. It reads the caller's API
// key out of Authorization: Bearer KEY and hands it to API Gateway, which
// checks it against its own keys and usage plans: the project keeps no keys.
//
// It is a function of its own, without permission to anything.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"omr-relay/internal/apikey"
)

func main() {
	lambda.Start(apikey.Authorizer{})
}
