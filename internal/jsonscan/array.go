package jsonscan

import "errors"

// ErrNotArray is of [Array] alone.
var ErrNotArray = errors.New("not a JSON array")

// Array calls yield with the raw value of each element of the array in data, in
// the order of the text. The value aliases data. An error of yield's ends the
// scan and is returned.
func Array(data []byte, yield func(value []byte) error) error {
	i := space(data, 0)
	if i == len(data) || data[i] != '[' {
		return ErrNotArray
	}
	i = space(data, i+1)
	if i < len(data) && data[i] == ']' {
		return trailing(data, i+1)
	}
	for {
		end := valueEnd(data, i)
		if end < 0 {
			return ErrSyntax
		}
		if err := yield(data[i:end]); err != nil {
			return err
		}
		if i = space(data, end); i == len(data) {
			return ErrSyntax
		}
		switch data[i] {
		case ']':
			return trailing(data, i+1)
		case ',':
			i = space(data, i+1)
		default:
			return ErrSyntax
		}
	}
}
