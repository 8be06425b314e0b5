package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-lambda-go/events"
)

// streamed takes apart an answer in the streaming format: the status and headers
// in JSON, eight NUL bytes, the body.
type streamed struct {
	open   opener
	head   []byte
	status int // 0 until the head is complete
	to     io.Writer
	body   int // bytes that were passed on
}

// opener is given the status and headers of a streamed answer and returns what
// takes its body.
type opener func(head events.APIGatewayProxyResponse) (io.Writer, error)

// maxHead is within which the delimiter must come.
const maxHead = 16 << 10

var errNoHead = errors.New("the streamed answer does not begin with its status and headers")

var delimiter = make([]byte, 8)

// Write implements [io.Writer].
func (s *streamed) Write(p []byte) (int, error) {
	rest := p
	if s.status == 0 {
		s.head = append(s.head, p...)
		head, body, ok := bytes.Cut(s.head, delimiter)
		if len(head) > maxHead-len(delimiter) {
			return 0, errNoHead
		}
		if !ok {
			return len(p), nil
		}
		if err := s.begin(head); err != nil {
			return 0, err
		}
		rest = body
	}
	n, err := s.to.Write(rest)
	s.body += n
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s *streamed) begin(head []byte) error {
	var answer events.APIGatewayProxyResponse
	if err := json.Unmarshal(head, &answer); err != nil {
		return fmt.Errorf("decoding the streamed answer's beginning: %w", err)
	}
	to, err := s.open(answer)
	if err != nil {
		return err
	}
	s.status, s.to = answer.StatusCode, to
	return nil
}
