package scans

import (
	"errors"
	"fmt"
	"os"
)

// megabytes rounds up: a number that is said to be too large must not look like
// the limit.
func megabytes(n int64) string {
	return fmt.Sprintf("%.2f MB", float64(n)/1e6)
}

// reason is an error's text without the operation and the path, which is named
// anyway.
func reason(err error) string {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
