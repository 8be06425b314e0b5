package table

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"omr-relay/internal/omr"
)

var byteOrderMark = []byte("\ufeff")

var errNoText = errors.New("not UTF-8")

// root is the root element of an XML result: declarations stand before it, which
// cannot stand in the middle of another document.
func root(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(data, byteOrderMark)
	if len(data) == 0 {
		return nil, nil
	}
	if !utf8.Valid(data) {
		return nil, errNoText
	}
	d := xml.NewDecoder(bytes.NewReader(data))
	begin, end := int64(-1), int64(0)
	for depth := 0; ; {
		at := d.InputOffset()
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			if begin < 0 {
				return nil, errors.New("no element in it")
			}
			return data[begin:end], nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading a result: %w", err)
		}
		switch token.(type) {
		case xml.StartElement:
			if depth == 0 && begin >= 0 {
				return nil, errors.New("two roots")
			}
			if depth++; begin < 0 {
				begin = at
			}
		case xml.EndElement:
			if depth--; depth == 0 {
				end = d.InputOffset()
			}
		}
	}
}

// Readable reports whether a result can stand in a table of the format.
func Readable(data []byte, format omr.Format) bool {
	switch format {
	case omr.JSON:
		return json.Valid(bytes.TrimPrefix(data, byteOrderMark))
	case omr.XML:
		element, err := root(data)
		return err == nil && element != nil
	default:
		elements, err := omr.Elements(data)
		return err == nil && len(elements) > 0
	}
}

// Blank reports whether a readable result has elements, and no answer to any.
func Blank(data []byte, format omr.Format) bool {
	values := func() (all []string) {
		switch format {
		case omr.JSON:
			return jsonValues(data)
		case omr.XML:
			return xmlValues(data)
		default:
			elements, _ := omr.Elements(data)
			for _, e := range elements {
				all = append(all, e.Value)
			}
			return all
		}
	}()
	for _, value := range values {
		if strings.TrimSpace(value) != "" {
			return false
		}
	}
	return len(values) > 0
}

// jsonValues are all the members called Value, wherever they stand.
func jsonValues(data []byte) (values []string) {
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			for name, member := range v {
				switch {
				case !strings.EqualFold(name, "Value"):
					walk(member)
				case member == nil:
					values = append(values, "")
				default:
					values = append(values, fmt.Sprint(member))
				}
			}
		}
	}
	var whole any
	if json.Unmarshal(bytes.TrimPrefix(data, byteOrderMark), &whole) == nil {
		walk(whole)
	}
	return values
}

// xmlValues are the texts of the elements that have no others in them.
func xmlValues(data []byte) (values []string) {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, byteOrderMark)))
	text, leaf := "", false
	for {
		token, err := d.Token()
		if err != nil {
			return values
		}
		switch t := token.(type) {
		case xml.StartElement:
			text, leaf = "", true
		case xml.CharData:
			text += string(t)
		case xml.EndElement:
			if leaf {
				values = append(values, text)
			}
			leaf = false
		}
	}
}
