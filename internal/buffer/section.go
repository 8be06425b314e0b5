package buffer

import "io"

// Section is [Buffer.Reader] for part, which must lie within the buffer.
func (s *Buffer) Section(part []byte) (io.ReadCloser, error) {
	whole, err := s.Reader()
	if err != nil {
		return nil, err
	}
	r := whole.(*reader) //nolint:errcheck,forcetypeassert // Reader returns nothing else
	r.rest = part
	return r, nil
}
