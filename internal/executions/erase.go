package executions

import (
	"context"
	"strconv"

	"omr-relay/internal/problem"
)

// maxErasers is how often it may go wrong: each time takes another name.
const maxErasers = 9

// Erase starts an execution that erases the batch of that name, unless one does or did.
func (m *Machine) Erase(ctx context.Context, name string, input any) error {
	next, err := m.nextEraser(ctx, name)
	if err != nil || next == "" {
		return err
	}
	return m.Start(ctx, next, input)
}

// Erasing reports whether the batch of that name is being erased, or is erased.
func (m *Machine) Erasing(ctx context.Context, name string) (bool, error) {
	next, err := m.nextEraser(ctx, name)
	return err == nil && next == "", err
}

// nextEraser is a name for an execution that erases, or nothing where there is no need
// of another one.
func (m *Machine) nextEraser(ctx context.Context, name string) (string, error) {
	next := ErasePrefix + name
	for n := 2; ; n++ {
		e, ok, err := m.Describe(ctx, next)
		switch {
		case err != nil:
			return "", err
		case !ok:
			return next, nil
		case e.Status == Running, e.Status == Succeeded:
			return "", nil
		case n > maxErasers:
			return "", fault(problem.Constant("erasing the batch went wrong too often"))
		}
		next = ErasePrefix + name + "-" + strconv.Itoa(n)
	}
}
